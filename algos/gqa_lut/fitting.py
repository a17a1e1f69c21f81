"""`fit`: a function and a format to a table with its certificate, by one of several methods; `fit_seeds`: many."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from pickle import PicklingError
from typing import Any

from hwsim.formats import INT8, IntFormat, Reals
from hwsim.qtensor import QType
from hwsim.tables import Stored

from .baselines import Continuous, NnLut, Uniform
from .certificate import Fit
from .functions import Function
from .search import Search
from .task import Task

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
    out: QType | None = None,
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
        out: type of the result, its scale a power of two, where it is known: errors then include rounding to it.

    Returns:
        Fit; ``fit.table(n)`` is the op, ``fit.mse``, ``fit.bound`` and ``fit.gap`` the certificate.

    Raises:
        ValueError: a function, format or range that does not work, or numbers that do not fit `bits`.
    """
    settings = {"scales": scales, "fmt": fmt, "fraction": fraction, "bits": bits, "span": span}
    task = Task.of(fn, entries, shared=shared, out=out, **settings)
    return Fit(task=task, method=method, seed=seed, stored=stored_by(method, seed, task))


def fit_seeds(
    fn: str | Function | Callable[[Reals], Reals],
    entries: int = 8,
    *,
    seeds: Iterable[int],
    executor: Executor | None = None,
    method: str = "ours",
    **settings: Any,
) -> list[Fit]:
    """`fit` once a seed, in their order; the same tables with and without an executor.

    Args:
        fn: as `fit` takes it; for other processes it must be a name or a function at the top of a module.
        entries: segments.
        seeds: of each fit.
        executor: where they run, such as a ``ProcessPoolExecutor``; here, one after another, without.
        method: one of `METHODS`.
        settings: the others of `fit`.

    Raises:
        ValueError: as `fit`, or a function that cannot be sent to another process.
    """
    return list(each_seed(fn, entries, seeds=seeds, executor=executor, method=method, **settings))


def each_seed(
    fn: str | Function | Callable[[Reals], Reals],
    entries: int = 8,
    *,
    seeds: Iterable[int],
    executor: Executor | None = None,
    method: str = "ours",
    **settings: Any,
) -> Iterator[Fit]:
    """`fit_seeds`, each as soon as it and those before it are there."""
    task = Task.of(fn, entries, **settings)
    seeds = list(seeds)
    # Why the words and not the task: a named function may be a lambda, which no process takes, but its name travels.
    one = partial(stored_for, fn, entries, settings, method)
    try:
        for seed, stored in zip(seeds, map(one, seeds) if executor is None else executor.map(one, seeds), strict=True):
            yield Fit(task=task, method=method, seed=seed, stored=stored)
    except (PicklingError, AttributeError, TypeError) as e:
        if executor is not None and not travels(fn):
            raise ValueError(
                f"fit: {task.function.name} cannot be sent to another process ({e}); define it with def at the top of "
                "a module, or leave out the executor"
            ) from None
        raise


def stored_for(fn: Any, entries: int, settings: dict[str, Any], method: str, seed: int) -> dict[int, Stored]:
    """What one process computes for one seed."""
    return stored_by(method, seed, Task.of(fn, entries, **settings))


def travels(fn: Any) -> bool:
    """Whether another process can have `fn`."""
    try:
        pickle.dumps(fn)
    except (PicklingError, AttributeError, TypeError):
        return False
    return True


def stored_by(method: str, seed: int, task: Task) -> dict[int, Stored]:
    """The table of each scale that `method` finds."""
    fitted = fitter(method, seed)
    if not task.shared and method != "ours":
        raise ValueError(f"fit: {method} shares its lines over scales; one table a scale is for method 'ours'")
    return fitted(task)


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
