"""GQA-LUT: piecewise-linear tables for nonlinear functions, fitted on what the hardware computes, with a certificate.

Source: arXiv:2403.19591 (the table and the genetic search); the certificate and the default search are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hwsim.formats import INT8, IntFormat, Reals
from hwsim.tables import Stored

from .baselines import Continuous, NnLut, Uniform
from .certificate import Fit
from .functions import FUNCTIONS, Function
from .published import disagreements, from_json, to_json
from .search import Search
from .task import Task

__all__ = ["FUNCTIONS", "METHODS", "Fit", "Function", "Search", "Task", "disagreements", "fit", "from_json", "to_json"]
METHODS = ("ours", "paper", "nn-lut", "continuous", "uniform")


def fit(
    fn: str | Function | Callable[[Reals], Reals],
    entries: int = 8,
    *,
    method: str = "ours",
    seed: int = 0,
    scales: Sequence[int] | None = None,
    fmt: IntFormat = INT8,
    fraction: int | None = None,
    bits: int | None = None,
    span: tuple[float, float] | None = None,
    shared: bool = True,
) -> Fit:
    """A table for `fn` and its certificate.

    Args:
        fn: a name in `FUNCTIONS`, or a function of reals (an array at a time) with `span`.
        entries: segments, 2..64.
        method: one of `METHODS`; all but ``ours`` round a real-valued fit afterwards.
        seed: of the method's random generator; ``paper`` with 42 gives the published tables.
        scales: inputs are ``q * 2**-n`` for each of these n.
        fmt: format of the input codes q.
        fraction: fractional bits of slopes and intercepts.
        bits: their width.
        span: reals that the error is taken over.
        shared: one set of slopes and intercepts for all scales, or (``ours`` alone) the certified optimum of each.

    Returns:
        Fit; ``fit.table(n)`` is the op, ``fit.mse``, ``fit.bound`` and ``fit.gap`` the certificate.

    Raises:
        ValueError: a function, format or range that does not work, or numbers that do not fit `bits`.
    """
    task = Task.of(fn, entries, scales=scales, fmt=fmt, fraction=fraction, bits=bits, span=span, shared=shared)
    fitted = fitter(method, seed)
    if not shared and method != "ours":
        raise ValueError(f"fit: {method} shares its lines over scales; one table a scale is for method 'ours'")
    return Fit(task=task, method=method, seed=seed, stored=fitted(task))


def fitter(method: str, seed: int) -> Callable[[Task], dict[int, Stored]]:
    """The configured algorithm called `method`."""
    match method:
        case "ours":
            return Search(seed=seed)
        case "paper":
            from .paper import PaperSearch  # needs deap

            return PaperSearch(seed=seed)
        case "nn-lut":
            return NnLut(seed=seed)
        case "continuous":
            return Continuous()
        case "uniform":
            return Uniform()
    raise ValueError(f"method {method!r} is unknown: use one of {', '.join(METHODS)}")
