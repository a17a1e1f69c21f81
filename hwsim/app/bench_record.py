"""What ``hwsim bench host`` keeps of one model, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ..reports.text import text_table

TARGETS = ("generic", "x86-64")
XNNPACK, TFLM, ORT = "LiteRT, XNNPACK", "TFLM", "ONNX Runtime, its own INT8"
COLUMNS = ("model", "engine", "us", "MAC/ns", "times generic", "times x86-64", "codes differ")
SIZES = ("flash generic", "flash x86-64", "weights in file", "RAM generic", "RAM x86-64", "TFLM total", "TFLM head")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One engine with one model.

    Args:
        engine: in words.
        us: CPU microseconds of one inference, without the call.
        macs_per_ns: multiply-accumulates a nanosecond.
        times: target of our C -> how much longer this engine takes.
        differ: output codes that are not the simulator's.
    """

    engine: str
    us: float
    macs_per_ns: float
    times: dict[str, float]
    differ: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """One model.

    Args:
        model: name.
        macs: of one inference.
        rows: one an engine.
        calls: us of a call of each engine with an empty model.
        constants: bytes of our constants, by target.
        memory: bytes of our static buffers and of the caller's inputs and outputs, states included, by target.
        weights: bytes of the constants in the ``.tflite``; 0 where there is none.
        tflm: bytes of TFLM's arena: total, head (tensors), tail; empty where there is no ``.tflite``.
    """

    model: str
    macs: int
    rows: list[Row]
    calls: dict[str, float]
    constants: dict[str, int]
    memory: dict[str, int]
    weights: int
    tflm: dict[str, int]


def tables(records: Sequence[Record]) -> tuple[str, str]:
    """Times, and bytes."""
    times = text_table(COLUMNS, [c for r in records for c in cells(r)], right=COLUMNS[2:])
    return times, text_table(("bytes of", *SIZES), [memory_cells(r) for r in records], right=SIZES)


def calls_of(records: Sequence[Record]) -> str:
    """What a call of each engine costs, in words."""
    engines = dict.fromkeys(c for r in records for c in r.calls)
    return ", ".join(f"{e} {median(r.calls[e] for r in records if e in r.calls):.2f} us" for e in engines)


def cells(r: Record) -> list[list[str]]:
    """Rows of the table."""
    found = []
    for row in r.rows:
        times = [f"{row.times[t]:.2f}" if t in row.times else "-" for t in TARGETS]
        found.append([r.model, row.engine, f"{row.us:.1f}", f"{row.macs_per_ns:.2f}", *times, str(row.differ)])
    return found


def memory_cells(r: Record) -> list[str]:
    """A row of the second table."""
    sizes = [
        *(r.constants.get(t) for t in TARGETS),
        r.weights,
        *(r.memory.get(t) for t in TARGETS),
        r.tflm.get("total"),
        r.tflm.get("head"),
    ]
    return [r.model, *("-" if not n else f"{n:,}" for n in sizes)]


def aims(r: Record) -> str:
    """What was aimed at for a ``.tflite``, and what came of it; for another model only how ONNX Runtime compares."""
    times = {row.engine: row.times for row in r.rows}
    said = []
    for target, engine, least in (("x86-64", XNNPACK, 1), ("generic", TFLM, 10), ("x86-64", ORT, None)):
        if (speed := times.get(engine, {}).get(target)) is not None:
            verdict = "" if least is None else f" (aim: at least {least}, {'kept' if speed >= least else 'MISSED'})"
            said.append(f"{target} C has {speed:.2f} x the speed of {engine}{verdict}")
    if r.weights:
        flash = r.constants["generic"] / r.weights
        said.append(f"flash {flash:.2f} x the file's weights (aim: at most 2, {'kept' if flash <= 2 else 'MISSED'})")
    if r.tflm:
        ram = r.memory["generic"] / r.tflm["total"]
        said.append(f"RAM {ram:.2f} x TFLM's arena (aim: at most 1, {'kept' if ram <= 1 else 'MISSED'})")
    return "\n  ".join([r.model, *said])
