"""``hwsim bench simulate``: whole networks, `hwsim.simulate` beside ONNX Runtime, numpy, qonnx and TFLM."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from ..simulation import simulate
from . import bench_simulate_engines as engine
from .bench_host import processor
from .bench_simulate_models import MODELS, Subject, present, subject
from .bench_simulate_parts import PARTS
from .bench_simulate_record import Aim, Row, aims, ratio, table
from .progress import steps
from .turns import TURN, one_core, repeated, take_turns

if TYPE_CHECKING:
    from codegen.runners.batched import Batched

THREADS = (1, 2)
TOURNAMENT = 3  # rounds after which the `FINALISTS` fastest variants of ONNX Runtime are left
FINALISTS = 3
PATIENCE = 1.0  # seconds
REST = 0.1  # seconds after which threads of another engine no longer wait for work: ONNX Runtime's spin 40 to 53 ms
TOOLS = ("numpy", "numba", "onnxruntime", "qonnx", "tflite_micro")
NOTES = """ms of the whole batch, medians of interleaved rounds; ratios: medians over the rounds. A turn runs batch
after batch for {turn:.0f} ms at least. One thread: CPU seconds on one core; two: wall seconds. Engines that take
more than {patience:g} s have 3 rounds; numpy runs fewer samples, scaled to the batch; it, TFLM and qonnx are run on
one core alone. Of the variants that ONNX Runtime's tool makes the {finalists} fastest take part. Each engine is fed
what its user has, reals where the network takes reals; {exact}: codes. hwsim's codes are numpy's
and the exact form's on the first samples; steps off: between an engine's output and ours, in the mean. {processor}"""


@dataclass
class Found:
    """What was measured so far: rows, targets, figures of the parts, and what was left out."""

    rows: list[Row] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The tables, and their figures."""
    if args.rounds < 1:
        raise ValueError(f"bench simulate: --rounds {args.rounds} must be at least 1")
    known = (*MODELS, *PARTS)
    if unknown := [n for n in args.only if n not in known]:
        raise ValueError(f"bench simulate: --only {', '.join(unknown)}: use {', '.join(known)}")
    names = list(dict.fromkeys(args.only)) or list(known)
    found = Found()
    models, found.missing = present([n for n in names if n in MODELS], args.tiny)
    parts = [n for n in names if n in PARTS]
    with steps(len(models) + len(parts), quiet=args.quiet) as step:
        for name in models:
            step(name)
            found.rows += measured(subject(name, args.tiny), args.rounds, found.missing)
        found.aims += aims(found.rows)
        for name in parts:
            step(name)
            text, figures, more = PARTS[name](args.rounds, found.missing)
            found.texts.append(text)
            found.parts[name] = figures
            found.aims += more
    return text_of(found), figures_of(found, args.rounds)


def text_of(found: Found) -> str:
    """What is printed."""
    notes = NOTES.format(
        turn=1e3 * TURN, patience=PATIENCE, finalists=FINALISTS, exact=engine.EXACT, processor=processor()
    )
    tables = [table(found.rows), notes] if found.rows else []
    ends = [*map(str, found.aims), *dict.fromkeys(found.missing)]
    return "\n\n".join([*tables, *found.texts, "\n".join(ends)])


def figures_of(found: Found, rounds: int) -> Any:
    """What is written."""
    rows, targets = [asdict(r) for r in found.rows], [a.to_dict() for a in found.aims]
    head = {"rounds": rounds, "processor": processor(), "tools": tools()}
    return {**head, "rows": rows, **found.parts, "targets": targets, "missing": list(dict.fromkeys(found.missing))}


def measured(model: Subject, rounds: int, missing: list[str]) -> list[Row]:
    """Both batches on one and two threads, after the codes were compared."""
    engine.check(model, THREADS)
    made, rows = engine.own_variants(model, missing), []
    for threads in THREADS:
        for batch in dict.fromkeys((model.samples, 1)):
            rows += turns(model, batch, threads, made, rounds, missing)
    return rows


def turns(
    model: Subject, batch: int, threads: int, made: Sequence[engine.Own], rounds: int, missing: list[str]
) -> list[Row]:
    """All engines of one setting."""
    inputs = model.first(batch)
    want = simulate(model.graph, inputs)
    clock, place = (process_time, one_core()) if threads == 1 else (perf_counter, nullcontext())
    with place:
        rivals = fastest(model, engine.own(model, made, inputs, threads, missing), want, clock, missing)
        engines = [*engine.ours(model, inputs, threads), *rivals, engine.exact(model, inputs, threads)]
        engines += [*engine.slow(model, inputs), *engine.outsiders(model, inputs, missing)] if threads == 1 else []
        calls, rest = [repeated(e.run) for e in engines], REST if threads > 1 else 0
        seconds = take_turns(calls, rounds, clock=clock, least=TURN, patience=PATIENCE, rest=rest)
    whole = [[s * batch / e.samples for s in mine] for e, mine in zip(engines, seconds, strict=True)]
    best = min((s for e, s in zip(engines, whole, strict=True) if e in rivals), key=median, default=None)
    rows = []
    for e, mine in zip(engines, whole, strict=True):
        over = ratio(mine, best) if best else None
        rows.append(
            Row(
                model=model.name,
                batch=batch,
                threads=threads,
                engine=e.name,
                timed=e.samples,
                rounds=len(mine),
                ms=1e3 * median(mine),
                of_ours=ratio(mine, whole[0]),
                of_best=over,
                steps=engine.distance(model, e, want),
            )
        )
    return rows


def fastest(
    model: Subject, variants: Sequence[Batched], want: Any, clock: Callable[[], float], missing: list[str]
) -> list[Batched]:
    """The variants worth a whole measurement: of those that compute the network, the fastest."""
    alike = []
    for v in variants:
        away = engine.distance(model, v, want)
        if away <= engine.FAR:
            alike.append(v)
        else:
            missing.append(f"{model.name}: {v.name} left out: its outputs are {away:.0f} steps off in the mean")
    seconds = take_turns([repeated(e.run) for e in alike], TOURNAMENT, clock=clock, least=TURN)
    order = sorted(range(len(alike)), key=lambda i: median(seconds[i]))
    return [alike[i] for i in order[:FINALISTS]]


def tools() -> dict[str, str]:
    """Versions of what is installed."""
    found = {}
    for name in TOOLS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
