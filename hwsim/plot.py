"""Pictures that are right by default: each function returns a matplotlib Figure, which a notebook shows by itself.

``figure.savefig("x.svg")`` keeps one; ``figure.axes`` are there to be changed. Without matplotlib objects still show
themselves in a notebook, as tables and drawings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .formats import Format, Reals
from .qtensor import QType
from .ranges import Interval

if TYPE_CHECKING:
    from .ablation import Ablation
    from .comparison import FormatErrors, TensorErrors
    from .costs.estimates import Estimate
    from .graph import Graph
    from .ops import Lut, Pwl
    from .reports.choices import ModelErrors
    from .reports.fidelity import Comparison
    from .reports.table_plot import Curve

__all__ = ["ablation", "accumulators", "compare", "curves", "energy", "formats", "sqnr", "table"]


def formats(*names: str | Format, scaled: bool = True) -> Any:
    """The numbers of formats on a line, a row each.

    Args:
        names: formats of at most 10 bits, or their names; of a block format its element. Default: INT4 to FP8.
        scaled: the largest number of each is 1, as a symmetric scale makes it; else each row has an axis of its own.
    """
    from .reports.format_plot import SHOWN, plot_formats

    return plot_formats(names or SHOWN, scaled=scaled)


def table(op: Pwl | Lut, source: QType, fn: Callable[[Reals], Reals], *, reach: Interval | None = None) -> Any:
    """A table beside the function that it stands for, on every code, and its error.

    Args:
        op: `Pwl` or `Lut`.
        source: type of its input, at most 16 bits.
        fn: the function, of reals.
        reach: smallest and largest code to show; default all.
    """
    from .reports.function_plot import curve_of, plot_curves

    return plot_curves([curve_of(op, source, fn, reach)])


def curves(*some: Curve, title: str = "") -> Any:
    """Tables side by side, errors on one scale; `algos.gqa_lut` fits give such curves: ``fit.curve(4)``."""
    from .reports.function_plot import plot_curves

    return plot_curves(some, title)


def sqnr(found: Comparison | Mapping[str, Comparison]) -> Any:
    """Signal over noise of each layer against the float model.

    Args:
        found: from `hwsim.reports.compare`; several by name are lines in one picture.
    """
    from .reports.layer_plot import plot_sqnr

    return plot_sqnr(found if isinstance(found, Mapping) else {"": found})


def accumulators(graph: Graph, inputs: Mapping[str, NDArray[Any]] | None = None) -> Any:
    """Bits of each accumulator: declared, proven to be enough for any input, and reached by `inputs`.

    Args:
        graph: the integer graph.
        inputs: as for `hwsim.simulate`; without them only the proof is shown.
    """
    from .reports.layer_plot import plot_accumulators

    return plot_accumulators(graph, inputs)


def energy(*estimates: Estimate) -> Any:
    """Energy by kind: of one `hwsim.estimate` a bar a layer, of several a bar each."""
    from .reports.layer_plot import plot_energy

    return plot_energy(estimates)


def compare(found: FormatErrors | TensorErrors | ModelErrors) -> Any:
    """What `hwsim.compare` found on tensors (bits against SQNR), or `algos.compare` on a model (bars)."""
    from .comparison import TensorErrors
    from .reports.choices import ModelErrors
    from .reports.comparison_plot import plot_models, plot_tensors

    if isinstance(found, ModelErrors):
        return plot_models(found)
    return plot_tensors(found if isinstance(found, TensorErrors) else {"": found})


def ablation(rows: Sequence[Ablation]) -> Any:
    """Points that a model gains with one layer at a time in INT16, and in float: rows of `hwsim.ablation.ablate`."""
    from .reports.comparison_plot import plot_ablation

    return plot_ablation(rows)
