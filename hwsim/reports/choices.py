"""A whole model under several formats of weights and accumulators: one row each, against its float model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..front import FrontGraph
from ..graph import Graph
from ..ops.datapath import PLAIN
from ..recipe import Recipe
from .fidelity import compare

PROVEN = "proven"


class Trial(NamedTuple):
    """What one choice made: the integer graph, the float model with values of the same names, samples, classes."""

    graph: Graph
    front: FrontGraph | None
    inputs: Mapping[str, NDArray[Any]]
    labels: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A format of weights, and an accumulator.

    Args:
        weights: format of elements or blocks.
        accumulator: ``proven``, or ``int16``, ``int16:saturate``, ``int16:wrap`` ...; empty is the recipe's own.
    """

    weights: str
    accumulator: str = ""

    def of(self, recipe: Recipe) -> Recipe:
        """`recipe` with these weights and this accumulator; what else its datapath says stays."""
        made = replace(recipe, weights=self.weights)
        if not self.accumulator:
            return made
        if self.accumulator == PROVEN:
            return replace(made, accumulator="", datapath=PLAIN)
        name, _, overflow = self.accumulator.partition(":")
        path: Any = {**asdict(recipe.datapath), "overflow": overflow or PLAIN.overflow}
        return replace(made, accumulator=name, datapath=path)


@dataclass(frozen=True, kw_only=True)
class ModelError:
    """One choice on one model.

    Args:
        weights, accumulator: the choice.
        samples: how many.
        right: share of right answers, where classes are known.
        same: share of answers that are the float model's.
        sqnr_db: of the first output, signal over its distance from float; None where there is none.
        max_error: largest distance there; None where nothing could be compared.
        refused: why there is no such model, else empty.
    """

    weights: str
    accumulator: str
    samples: int = 0
    right: float | None = None
    same: float | None = None
    sqnr_db: float | None = None
    max_error: float | None = None
    refused: str = ""


class ModelErrors(list[ModelError]):
    """Rows of choices; a list that shows itself as a table, in a notebook with bars."""

    def __str__(self) -> str:
        """The terminal's table."""
        from .comparison_html import models_sheet

        return str(models_sheet(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from .comparison_html import models_html

        return models_html(self)


def compare_models(
    make: Callable[[Choice], Trial],
    formats: Sequence[str],
    accumulators: Sequence[str] = ("",),
    step: Callable[[str], None] = lambda text: None,
) -> ModelErrors:
    """Every format with every accumulator.

    Args:
        make: quantizes the model as a choice says; its ValueError is a row that tells why.
        formats: of weights.
        accumulators: see `Choice`.
        step: called with the name of each choice as it begins.
    """
    rows = ModelErrors()
    for choice in (Choice(weights=f, accumulator=a) for f in formats for a in accumulators):
        named = asdict(choice)
        step(" ".join(v for v in named.values() if v))
        try:
            trial = make(choice)
        except ValueError as e:
            rows.append(ModelError(**named, refused=str(e)))
        else:
            rows.append(ModelError(**named, **_figures(trial)))
    return rows


def _figures(trial: Trial) -> dict[str, Any]:
    found = compare(trial.graph, trial.inputs, trial.front)
    fidelity = found.fidelity.get(trial.graph.outputs[0].name)
    return {
        "samples": found.samples,
        "right": _share(found.integer_answers, trial.labels),
        "same": _share(found.integer_answers, found.float_answers),
        "sqnr_db": fidelity.sqnr_db if fidelity else None,
        "max_error": fidelity.max_error if fidelity else None,
    }


def _share(answers: ArrayLike | None, wanted: ArrayLike | None) -> float | None:
    return None if answers is None or wanted is None else float(np.mean(np.asarray(answers) == np.asarray(wanted)))
