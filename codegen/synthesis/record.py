"""One synthesized unit as plain data: figures, and everything they come from, so that anyone can make them again."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

import hwsim

from .cells import Library
from .checked import Bench, Checked, check
from .netlist import Instance, area_of
from .power import MODELS, Power, power
from .timing import MODEL as TIMING_MODEL
from .timing import untimed
from .yosys import Synthesized, Tool, Unit, synthesize

SCHEMA = "hwsim-synthesis/1"


def measure(
    unit: Unit, library: Library, bench: Bench, *, frequency: float, tool: Tool | None = None
) -> dict[str, Any]:
    """Synthesize, check at gate level, and report.

    Args:
        unit: the Verilog.
        library: the cells.
        bench: real operands, and what the simulator gives for them.
        frequency: hertz.
        tool: which Yosys; the first found if None.

    Raises:
        ValueError: what `synthesize` and `check` refuse.
        RuntimeError: Yosys' complaint.
    """
    return record(check(synthesize(unit, library, tool), bench), frequency=frequency)


def record(checked: Checked, *, frequency: float) -> dict[str, Any]:
    """Figures of a netlist that passed its check, with their provenance; areas in the library's unit, SI units else."""
    made = checked.synthesized
    unit, library, netlist = made.unit, made.library, made.netlist
    timing = _timing(made)
    return {
        "schema": SCHEMA,
        "unit": {
            "top": unit.top,
            "parameters": dict(unit.parameters),
            "verilog_sha256": verilog_sha256(unit),
            "ports": {n: len(nets) for n, nets in (*netlist.inputs.items(), *netlist.outputs.items())},
        },
        "library": _library(library),
        "tools": {"synthesis": made.tool, "hwsim": hwsim.__version__, "numpy": np.__version__},
        "script": {"sha256": made.script_sha256, "text": made.script},
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "check": _check(checked),
        "area": _area(netlist.cells, library) | {"registers": area_of(netlist.registers)},
        "cells": dict(sorted(Counter(i.cell.name for i in netlist.cells).items())),
        "cell_count": len(netlist.cells),
        "register_count": len(netlist.registers),
        "depth": netlist.depth,
        "timing": timing,
        "power": {
            "model": MODELS[checked.ran.activity],
            "frequency_hz": frequency,
            "frequency_reached": _reached(frequency, timing),
            "voltage_v": library.voltage,
            **{
                name: _power(power(netlist, checked.ran, voltage=library.voltage, frequency=frequency, gated=gated))
                for name, gated in (("clocked", False), ("gated", True))
            },
        },
    }


def verilog_sha256(unit: Unit) -> str:
    """Of all files by name."""
    digest = hashlib.sha256()
    for name, text in sorted(unit.files.items()):
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()


def _library(library: Library) -> dict[str, Any]:
    return {
        "name": library.name,
        "source": library.source,
        "licence": library.licence,
        "sha256": library.sha256,
        "left_out": list(library.left_out),
    }


def _check(checked: Checked) -> dict[str, Any]:
    steps, lanes = next(iter(checked.ran.outputs.values())).shape[:2]
    bench = checked.bench
    return {
        "passed": True,
        "stimulus": bench.description,
        "sha256": bench.sha256(),
        "steps": steps,
        "lanes": lanes,
        "settle": bench.settle,
        "vectors": checked.ran.cycles,
    }


def _area(cells: Iterable[Instance], library: Library) -> dict[str, Any]:
    total = area_of(cells)
    return {"total": total, "unit": library.area_unit, "nand2": total / library.nand2.area}


def _timing(made: Synthesized) -> dict[str, Any]:
    """The longest path; figures are None where the library gives no delays of `untimed` cells."""
    missing = list(untimed(made.netlist))
    return {
        "model": TIMING_MODEL,
        "critical_path_s": None if missing else made.timing.critical_path,
        "max_frequency_hz": None if missing else made.timing.max_frequency,
        "untimed": missing,
    }


def _reached(frequency: float, timing: Mapping[str, Any]) -> bool | None:
    """Whether the unit can have this clock; None where its delays are not known."""
    path = timing["critical_path_s"]
    return None if path is None else bool(frequency * path <= 1)


def _power(p: Power) -> dict[str, float]:
    return {
        "switching_w": p.switching,
        "internal_w": p.internal,
        "clock_w": p.clock,
        "leakage_w": p.leakage,
        "total_w": p.total,
        "energy_per_cycle_j": p.energy,
    }
