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
    ((name, text),) = emit_verilog(unit).items()
    broken = change(text)
    assert broken != text, text
    return verify_unit(unit, verilog={name: broken}).mismatches


def synthesized(unit: Unit, folder: Path) -> dict[str, str]:
    """The unit as gates, by yosys, with the same ports."""
    ((name, text),) = emit_verilog(unit).items()
    (folder / name).write_text(text)
    script = f"read_verilog {name}; synth -flatten -top {unit.module.name}; write_verilog -noattr gates.v"
    subprocess.run(["yosys", "-q", "-p", script], check=True, capture_output=True, cwd=folder)
    return {"gates.v": (folder / "gates.v").read_text()}


def lint(unit: Unit, folder: Path) -> None:
    """Read by yosys: hierarchy, no latch, no multiple or missing driver."""
    ((name, text),) = emit_verilog(unit).items()
    (folder / name).write_text(text)
    top = unit.module.name
    script = f"read_verilog {name}; hierarchy -check -top {top}; proc; check -assert; select -assert-none t:$dlatch"
    done = subprocess.run(["yosys", "-q", "-p", script], capture_output=True, text=True, cwd=folder)
    assert (done.returncode, done.stdout + done.stderr) == (0, ""), text
