"""`algos.sweep`: measure points of a design space, here or on any executor, and go on after whatever stopped it."""

from __future__ import annotations

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hwsim import __version__
from hwsim.costs.hardware_file import hardware_named
from hwsim.front import dumps_front

from ..prepare import Prepared, as_batch, as_batches
from .bench import Measure, Row, Work, rows_of
from .journal import Journal
from .results import Swept
from .search import search_named
from .space import HARDWARE, At, Space

AT_ONCE = 32  # tasks handed over; more would only hold memory


def sweep(
    p: Prepared,
    batches: Iterable[Any],
    inputs: Any,
    space: Mapping[str, Any],
    *,
    labels: ArrayLike | None = None,
    hardware: str = "edge-int8",
    folder: str | Path | None = None,
    search: str = "grid",
    points: int | None = None,
    seed: int = 0,
    objectives: Sequence[str] = (),
    energy_samples: int = 4,
    measures: Sequence[Measure] = (),
    executor: Executor | None = None,
    step: Callable[[int], None] = lambda measured: None,
) -> Swept:
    """Figures of many designs of one model: accuracy, SQNR, area, energy, latency, and what `measures` add.

    Args:
        p: the float model, with the recipe that the choices are put into.
        batches: calibration data, as for `algos.calibrate`.
        inputs: one batch to measure on.
        space: ``{"choices": {"weights": ["int8", "int4"], ..}}``, see `algos.sweep.space`.
        labels: the right class of each sample.
        hardware: where the space names none.
        folder: where results are kept; with what is there already a sweep goes on. Without, they are in memory alone.
        search: ``grid``, ``random`` or ``nsga2``.
        points: how many, of the latter two (default: 200).
        seed: of the latter two.
        objectives: figures of the Pareto front (default: accuracy, or sqnr_db without labels, and energy_uj).
        energy_samples: the first so many samples give the toggle rates.
        measures: functions of the graph that give figures by name; picklable.
        executor: where points are measured; here, one after another, without.
        step: called with the number of points measured, known ones too.

    Returns:
        Rows in the order of the grid, whatever ran where; a point that cannot be says why, as ``refused``.

    Raises:
        ValueError: a space, data or a folder that do not fit.
    """
    work = work_of(p, batches, inputs, space, labels, hardware, energy_samples, tuple(measures))
    objectives = tuple(objectives) or ("accuracy" if labels is not None else "sqnr_db", "energy_uj")
    asked = search_named(search, work.space, points, seed, objectives)
    place = Path(folder) if folder is not None else None
    begin = time.perf_counter()
    with closing(Journal(place, digest_of(work), about(work))) as journal:
        visited = driven(asked, partial(measured, pickle.dumps(work), journal=journal, executor=executor, step=step))
        rows = tuple(journal.rows[at] for at in sorted(visited))
        facts = {**about(work), "search": search, "seed": seed, "cpu_seconds": round(journal.cpu_seconds, 1)}
    facts["wall_seconds"] = round(time.perf_counter() - begin, 1)
    made = Swept(rows=rows, objectives=objectives, facts=facts)
    made.check()
    if place is not None:
        made.write(place)
    return made


def about(work: Work) -> dict[str, Any]:
    """What a reader must know of a sweep."""
    return {
        "hwsim": __version__,
        "numpy": np.__version__,
        "model": work.front.name,
        "samples": len(next(iter(work.inputs.values()))),
        "energy_samples": work.energy_samples,
        "choices": {a.title: list(a.values) for a in work.space.axes},
    }


def work_of(
    p: Prepared, batches: Iterable[Any], inputs: Any, space: Mapping[str, Any], labels: ArrayLike | None,
    hardware: str, energy_samples: int, measures: tuple[Measure, ...],
) -> Work:  # fmt: skip
    """Everything checked, before the long work."""
    front = p.source or p.front
    seen, test = [as_batch(front, i, b) for i, b in enumerate(as_batches(batches))], as_batch(front, 0, inputs)
    count = len(next(iter(test.values())))
    classes = None if labels is None else np.asarray(labels)
    if classes is not None and classes.shape != (count,):
        raise ValueError(f"sweep: labels of shape {classes.shape} for {count} samples")
    if not 1 <= energy_samples <= count:
        raise ValueError(f"sweep: energy_samples = {energy_samples} must be 1..{count}, the number of samples")
    made = Space.of(space, p.recipe, front, hardware)
    for name in hardware_of(made):
        hardware_named(name)
    return Work(space=made, front=front, batches=seen, inputs=test, labels=classes, energy_samples=energy_samples,
                measures=measures)  # fmt: skip


def hardware_of(space: Space) -> list[str]:
    """Names of all hardware that points may have."""
    named = [s[HARDWARE] for a in space.axes for i in range(len(a.values)) if HARDWARE in (s := a.settings(i))]
    return list(dict.fromkeys(str(name).partition(":")[0] for name in [space.hardware, *named]))


def digest_of(work: Work) -> str:
    """What makes a sweep another one: space, model, data, measures, hardware, release."""
    arrays = [(name, x) for batch in (*work.batches, work.inputs) for name, x in batch.items()]
    arrays += [("labels", work.labels)] if work.labels is not None else []
    h = hashlib.sha256(dumps_front(work.front))
    for name, x in arrays:
        h.update(f"{name} {x.dtype} {x.shape}".encode() + np.ascontiguousarray(x).tobytes())
    axes = [[a.layer, a.name, a.values] for a in work.space.axes]
    about = [__version__, axes, work.space.base.to_dict(), work.space.hardware, work.energy_samples]
    hardware = [repr(hardware_named(name)) for name in hardware_of(work.space)]
    h.update(json.dumps([*about, hardware, [named(m) for m in work.measures]], sort_keys=True).encode())
    return h.hexdigest()


def named(measure: Measure) -> str:
    """A function, and what is bound to it."""
    inner = measure.func if isinstance(measure, partial) else measure
    bound = [measure.args, measure.keywords] if isinstance(measure, partial) else []
    return f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__name__)} {bound}"


def driven(asked: Any, measure: Callable[[Sequence[At], int], list[Row]]) -> list[At]:
    """Run a search to its end; all its points."""
    visited: list[At] = []
    rows = None
    while True:
        try:
            points = asked.send(rows)
        except StopIteration:
            return visited
        rows = measure(points, len(visited))
        visited += points


def measured(
    packed: bytes, points: Sequence[At], before: int, *, journal: Journal, executor: Executor | None,
    step: Callable[[int], None],
) -> list[Row]:  # fmt: skip
    """The rows of `points`; what the journal has is not measured again."""
    known = sum(at in journal.rows for at in points)
    step(before + known)
    left = groups([at for at in points if at not in journal.rows], packed)
    for group, (rows, cpu) in here(packed, left) if executor is None else elsewhere(packed, left, executor):
        for at, row in zip(group, rows, strict=True):
            journal.add(at, row, cpu / len(group))
        known += len(group)
        step(before + known)
    return [journal.rows[at] for at in points]


def groups(points: Sequence[At], packed: bytes) -> list[list[At]]:
    """Points that differ in hardware alone together: they share a graph."""
    space: Space = pickle.loads(packed).space
    free = [not (a.name == HARDWARE and not a.layer) for a in space.axes]
    together: dict[At, list[At]] = {}
    for at in points:
        together.setdefault(tuple(i for i, kept in zip(at, free, strict=True) if kept), []).append(at)
    return list(together.values())


Done = tuple[list[At], tuple[list[Row], float]]


def here(packed: bytes, tasks: Sequence[list[At]]) -> Iterator[Done]:
    """One after another."""
    for group in tasks:
        yield group, rows_of(packed, group)


def elsewhere(packed: bytes, tasks: Sequence[list[At]], executor: Executor) -> Iterator[Done]:
    """As they come, a window of tasks at once."""
    waiting: dict[Future[Any], list[At]] = {}
    queue = iter(tasks)
    try:
        while True:
            for group in queue:
                waiting[executor.submit(rows_of, packed, group)] = group
                if len(waiting) >= AT_ONCE:
                    break
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()
    finally:
        for future in waiting:
            future.cancel()
