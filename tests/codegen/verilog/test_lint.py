"""Verilator reads every kind of unit too and finds nothing undriven, latched, incomplete or implicit.

Left out: DECLFILENAME (a file may hold a module of another name), PINCONNECTEMPTY (a tile's last elements hand
nothing on), UNUSEDSIGNAL (carries that a proof makes unreachable) and WIDTH: operands of
different widths are all signed, so Verilog extends them by their sign, which is what is meant.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from codegen import emit_verilog
from codegen.rtl import MacUnit, SystolicTile, Unit
from codegen.synthesis.catalogue import CATALOGUE
from hwsim.formats import INT8, INT32

LEFT_OUT = ("DECLFILENAME", "PINCONNECTEMPTY", "UNUSEDSIGNAL", "WIDTH")
UNITS = {(e.family, e.parameters.get("kind"), e.parameters.get("format")): e for e in reversed(CATALOGUE)}

pytestmark = pytest.mark.skipif(not shutil.which("verilator"), reason="Verilator is not installed: make deps-hw")


def lint(files: dict[str, str], top: str, folder: Path) -> str:
    """What Verilator says."""
    for name, text in files.items():
        (folder / name).write_text(text)
    options = [f"-Wno-{w}" for w in LEFT_OUT]
    done = subprocess.run(
        ["verilator", "--lint-only", "-Wall", *options, *files, "--top-module", top],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stderr if done.returncode or done.stderr else ""


@pytest.mark.parametrize("entry", UNITS.values(), ids=lambda e: e.text)
def test_recorded_units(entry, tmp_path):
    unit: Unit = entry.unit
    assert not lint(emit_verilog(unit), unit.module.name, tmp_path)


def test_a_tile(tmp_path):
    tile = SystolicTile(mac=MacUnit(a=INT8, b=INT8, acc=INT32), rows=2, columns=3, depth=4)
    assert not lint(emit_verilog(tile), tile.module.name, tmp_path)


def test_what_it_would_find(tmp_path):
    files = emit_verilog(MacUnit(a=INT8, b=INT8, acc=INT32))
    files = {n: t.replace("base + p_0", "base + p_1") for n, t in files.items()}
    assert "p_1" in lint(files, "mac", tmp_path)
