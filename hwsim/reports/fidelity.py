"""``SQNR = 10 log10(sum x**2 / sum (x - x')**2)``: how far each integer value is from its float twin.

x is a value of the front graph, x' the dequantized value of the same name in the integer graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Reals
from ..front import FrontGraph
from ..graph import Graph, Value
from ..lowering.layout import as_stored
from ..qtensor import QTensor
from ..rounding import Ints
from ..simulation import simulate
from .blocks import BlockError, BlockErrors

BATCH_SIZE = 64  # samples evaluated at once: bounds the memory, and fixes the order of float sums
FLOAT32_STEP = 2.0**-23  # of a number in [1, 2)


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Distance of one value from float.

    Args:
        sqnr_db: dB; None where there is no noise or no signal.
        max_error: largest |x - x'|, real units.
        max_error_lsb: the same in steps of the value's scale.
    """

    sqnr_db: float | None
    max_error: float
    max_error_lsb: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Float against integer on some samples.

    Args:
        samples: how many.
        fidelity: per value name.
        integer_answers: class of largest score a sample, shape (samples,); None where the outputs are no scores.
        float_answers: the same of the float model; None where there is none.
        blocks: softmax and norms against float64 on their own inputs.
    """

    samples: int
    fidelity: dict[str, Fidelity]
    integer_answers: Ints | None
    float_answers: Ints | None
    blocks: list[BlockError] = field(default_factory=list)

    def distinct(self) -> dict[str, Fidelity]:
        """`fidelity` without values that have exactly the distance of an earlier one: those that only moved it."""
        first: dict[tuple[float | None, float, float], str] = {}
        for name, f in self.fidelity.items():
            first.setdefault((f.sqnr_db, f.max_error, f.max_error_lsb), name)
        return {name: self.fidelity[name] for name in first.values()}

    def __repr__(self) -> str:
        """One line."""
        from .comparison_html import fidelity_line

        return fidelity_line(self)

    def _repr_html_(self) -> str:
        from .comparison_html import fidelity_html

        return fidelity_html(self)


@dataclass
class _Sums:
    """Running sums of one value."""

    signal: float = 0.0
    noise: float = 0.0
    max_error: float = 0.0
    max_error_lsb: float = 0.0

    def add(self, x: Reals, codes: QTensor) -> None:
        error = np.abs(x - codes.dequantize())
        error[error <= np.abs(x) * FLOAT32_STEP] = 0  # Why: x is float32; less than its last bit is not our noise
        self.signal += float((x * x).sum())
        self.noise += float((error * error).sum())
        self.max_error = max(self.max_error, float(error.max()))
        self.max_error_lsb = max(self.max_error_lsb, float((error / codes.type.along_axis(codes.type.lsb)).max()))

    def result(self) -> Fidelity:
        some = self.noise > 0 and self.signal > 0
        sqnr = round(10 * float(np.log10(self.signal / self.noise)), 2) if some else None
        return Fidelity(sqnr_db=sqnr, max_error=_digits(self.max_error), max_error_lsb=round(self.max_error_lsb, 3))


@dataclass
class _Answers:
    """Classes collected batch by batch."""

    integer: list[Ints] = field(default_factory=list)
    floating: list[Ints] = field(default_factory=list)


def compare(graph: Graph, inputs: Mapping[str, NDArray[Any]], front: FrontGraph | None = None) -> Comparison:
    """Run the integer graph, and the float model where given, on `inputs`.

    Args:
        graph: the integer graph.
        inputs: as for `hwsim.simulate`; reals where `front` is given.
        front: the float model; values of equal name are compared.
    """
    sums: dict[str, _Sums] = {}
    answers, scores, samples = _Answers(), score_output(graph), 0
    blocks = BlockErrors(graph, front) if front else None
    for batch, size in batches(graph, inputs):
        samples += size
        codes = simulate(graph, batch, trace=front is not None)
        floats = front.evaluate(batch) if front else {}
        if blocks:
            blocks.add(codes)
        for v in graph.values() if front else ():
            twin = as_stored(floats[v.name], graph, v) if v.name in floats else None
            if twin is not None:
                sums.setdefault(v.name, _Sums()).add(twin.astype(np.float64), QTensor(v.type, codes[v.name]))
        if scores:
            answers.integer.append(QTensor(scores.type, codes[scores.name]).dequantize().argmax(-1))
            if front:
                answers.floating.append(floats[front.outputs[0]].argmax(-1))
    return Comparison(
        samples=samples,
        fidelity={name: s.result() for name, s in sums.items()},
        integer_answers=np.concatenate(answers.integer) if answers.integer else None,
        float_answers=np.concatenate(answers.floating) if answers.floating else None,
        blocks=blocks.rows if blocks else [],
    )


def score_output(graph: Graph) -> Value | None:
    """The output whose largest element is the answer: the only one, of shape (N, classes)."""
    if len(graph.outputs) != 1:
        return None
    t = graph.outputs[0].type
    return graph.outputs[0] if t.batched and len(t.sample_shape) == 1 and t.elements > 1 else None


def batches(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> Iterator[tuple[dict[str, NDArray[Any]], int]]:
    """`inputs` in parts of at most `BATCH_SIZE` samples, with their sizes; inputs without a batch axis go whole."""
    batched = {v.name for v in graph.inputs if v.type.batched}
    lengths = {name: len(x) for name, x in inputs.items() if name in batched and np.ndim(x)}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"numbers of samples must be equal and >= 1, got {lengths}")
    samples = max(lengths.values(), default=1)
    for start in range(0, samples, BATCH_SIZE):
        stop = min(start + BATCH_SIZE, samples)
        yield {k: x[start:stop] if k in batched else x for k, x in inputs.items()}, stop - start


def _digits(x: float) -> float:
    """Four digits: more would be noise of the float model."""
    return float(f"{x:.4g}")
