"""Which tools are at hand, and the one assertion: every code equal."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from codegen import emit_verilog, verify_unit
from codegen.rtl import Unit
from codegen.runners.verilog import has_icarus

needs_icarus = pytest.mark.skipif(not has_icarus(), reason="no Icarus Verilog: make deps-hw")
needs_yosys = pytest.mark.skipif(shutil.which("yosys") is None, reason="no yosys: make deps-hw")


def assert_equal(unit: Unit, codes: int = 0, vectors: int = 10_000) -> None:
    """Fail unless all result codes equal the op's; `codes` is how many must have been compared at least."""
    row = verify_unit(unit, vectors)
    assert not row.mismatches, f"{unit}: {row.mismatches} of {row.codes} differ, first {row.first}"
    assert row.codes >= codes


def mutated(unit: Unit, change: Callable[[str], str]) -> int:
    """How many codes differ once the Verilog is changed; the change must change something."""
    return verify_unit(unit, verilog=broken(unit, change)).mismatches


def broken(unit: Unit, change: Callable[[str], str]) -> dict[str, str]:
    """The unit's Verilog after a change of one of its files at least."""
    texts = emit_verilog(unit)
    changed = {name: change(text) for name, text in texts.items()}
    assert changed != texts, texts
    return changed


def synthesized(unit: Unit, folder: Path) -> dict[str, str]:
    """The unit as gates, by yosys, with the same ports."""
    script = f"read_verilog {_written(unit, folder)}; synth -flatten -top {unit.module.name}"
    command = ["yosys", "-q", "-p", f"{script}; write_verilog -noattr gates.v"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return {"gates.v": (folder / "gates.v").read_text()}


def lint(unit: Unit, folder: Path) -> None:
    """Read by yosys: hierarchy, no latch, no multiple or missing driver."""
    files, top = _written(unit, folder), unit.module.name
    script = f"read_verilog {files}; hierarchy -check -top {top}; proc; check -assert; select -assert-none t:$dlatch"
    done = subprocess.run(["yosys", "-q", "-p", script], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), emit_verilog(unit)


def _written(unit: Unit, folder: Path) -> str:
    """The names of the unit's files."""
    texts = emit_verilog(unit)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return " ".join(texts)
