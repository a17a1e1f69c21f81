"""``hwsim bench host``: our C beside LiteRT, TFLM and ONNX Runtime, the same model, the same run, one core."""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from ..reports import total_macs
from ..streaming import stream
from .bench_models import CONTRACT, SAMPLES, Model, chosen, model_named
from .bench_record import ORT, TARGETS, TFLM, Record, Row, aims, calls_of, tables
from .progress import steps
from .turns import BATCH, one_core, take_turns

FLAGS = {"generic": ("-O2",), "x86-64": ("-O3", "-march=native")}
"""Target -> how it is compiled."""
PACKAGES = {"TFLM": "tflite_micro", "LiteRT": "ai_edge_litert", "ONNX Runtime": "onnxruntime"}
"""Engine -> what it is installed by."""
TICK = 1e-9
"""Seconds that every inference takes at least: a model may take less than the call of its engine seemed to."""
NOTES = """CPU us of one inference, medians of {rounds} rounds in which the engines take turns, {batch:g} ms a turn or
one inference, one thread on core {core} ({processor}); times: medians over the rounds of an engine's time over our C's.
What a call of an engine costs with an empty model is subtracted: {calls}.
Codes that differ from the simulator's on {samples} samples or steps; ours may not. A .tflite is read as {contract}.
Flash: constants. RAM: static buffers, inputs and outputs. TFLM: its arena here, where pointers take 8 bytes."""


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The table, and its figures."""
    if args.rounds < 1:
        raise ValueError(f"bench host: --rounds {args.rounds} must be at least 1")
    names, missing = chosen(args.only, args.tiny)
    targets = [t for t in TARGETS if t == "generic" or platform.machine() in ("x86_64", "AMD64")]
    missing += [f"target {t} left out: this machine is {platform.machine()}" for t in TARGETS if t not in targets]
    present = [engine for engine, package in PACKAGES.items() if find_spec(package)]
    missing += [f"{e} left out: the package {p} is not installed" for e, p in PACKAGES.items() if e not in present]
    records = []
    with steps(len(names), quiet=args.quiet) as step, one_core() as core:
        for name in names:
            step(name)
            records.append(measured(model_named(name, args.tiny), targets, present, args.rounds))
    times, memory = tables(records)
    notes = NOTES.format(
        rounds=args.rounds, batch=1e3 * BATCH, core=core, processor=processor(), calls=calls_of(records),
        samples=SAMPLES, contract=CONTRACT,
    )  # fmt: skip
    text = "\n".join([times, "", notes, "", memory, "", *map(aims, records), *missing])
    return text, {"rounds": args.rounds, "tools": tools(), "rows": [asdict(r) for r in records], "missing": missing}


def measured(model: Model, targets: Sequence[str], present: Sequence[str], rounds: int) -> Record:
    """All engines in turn, after their codes were compared."""
    from codegen.c import footprint
    from codegen.runners.timed_outside import empty, tflm_arena

    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        ours = [compiled(model, t, Path(folder)) for t in targets]
        others = outside(model, present)
        differ = compare(model, ours, others)
        engines = [*ours, *others]
        callers = list(dict.fromkeys(e.caller for e in others))
        seconds = take_turns([e.repeat for e in [*engines, *map(empty, callers)]], rounds)
    calls = {c: median(s) for c, s in zip(callers, seconds[len(engines) :], strict=True)}
    net = [[max(s - calls.get(e.caller, 0), TICK) for s in mine] for e, mine in zip(engines, seconds, strict=False)]
    macs = total_macs(model.graph)
    rows = [
        Row(
            engine=e.name,
            us=1e6 * median(mine),
            macs_per_ns=macs / median(mine) / 1e9,
            times={t: median(a / b for a, b in zip(mine, c, strict=True)) for t, c in zip(targets, net, strict=False)},
            differ=differ[e.name],
        )
        for e, mine in zip(engines, net, strict=True)
    ]
    spaces = {t: footprint(model.graph, t) for t in targets}
    return Record(
        model=model.name, macs=macs, rows=rows, calls={c: 1e6 * s for c, s in calls.items()},
        constants={t: s.flash for t, s in spaces.items()}, memory={t: s.arena + s.io for t, s in spaces.items()},
        weights=constant_bytes(model.file), tflm=tflm_arena(model.file) if model.file and TFLM in present else {},
    )  # fmt: skip


def compiled(model: Model, target: str, folder: Path) -> Any:
    """Our C for `target`, by the first compiler at hand."""
    from codegen.runners.c import compilers
    from codegen.runners.timed import timed_c

    found = compilers()
    if not found:
        raise ValueError("bench host: no C compiler found: install gcc or clang")
    name, command = next(iter(found.items()))
    place = folder / target
    place.mkdir()
    flags = (*FLAGS[target], "-std=c99")
    words = f"C {target}, {name} {' '.join(FLAGS[target])}"
    return timed_c(model.graph, place, command, flags, target=target, name=words)


def outside(model: Model, present: Sequence[str]) -> list[Any]:
    """The other engines that take this model, of those that are `present`."""
    from codegen import emit_onnx, emit_qdq
    from codegen.runners.ort_quantized import quantized_by_ort
    from codegen.runners.timed_outside import LITERT, timed_litert, timed_ort, timed_tflm

    if model.file:
        tflm = [timed_tflm(model.file)] if TFLM in present else []
        return tflm + [timed_litert(model.file, r) for r in LITERT if "LiteRT" in present]
    if "ONNX Runtime" not in present or model.front is None:
        return []
    exact = timed_ort(emit_onnx(model.graph).SerializeToString(), model.graph, "ONNX Runtime, emit onnx")
    data = quantized_by_ort(emit_qdq(model.graph, model.front).SerializeToString(), model.reals)
    return [exact, timed_ort(data, model.graph, ORT, real=True)]


def compare(model: Model, ours: Sequence[Any], others: Sequence[Any]) -> dict[str, int]:
    """Output codes of each engine that are not the simulator's; RuntimeError where ours are not."""
    want = stream(model.graph, {n: x[:, None] for n, x in model.inputs.items()})
    differ = {}
    for e in [*ours, *others]:
        count = 0
        for i in range(SAMPLES):
            got = e.step({n: x[i : i + 1] for n, x in model.inputs.items()})
            count += sum(int((want[n][i].ravel() != y.ravel()).sum()) for n, y in got.items())
        if count and e in ours:
            raise RuntimeError(f"bench host: {model.name}: {e.name} has {count} codes that are not the simulator's")
        differ[e.name] = count
    return differ


def constant_bytes(file: bytes) -> int:
    """Bytes of the constants of a ``.tflite``."""
    from codegen.tflite.schema import subgraphs

    tensors = [t for s in subgraphs(file) for t in s.tensors] if file else []
    return sum(t.codes.nbytes for t in tensors if t.codes is not None)


def tools() -> dict[str, str]:
    """Versions of what is installed, and the processor."""
    from importlib.metadata import version

    found = {engine: version(package.replace("_", "-")) for engine, package in PACKAGES.items() if find_spec(package)}
    return found | {"processor": processor()}


def processor() -> str:
    """Its name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), platform.machine())
