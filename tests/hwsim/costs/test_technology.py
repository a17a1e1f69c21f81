"""Recorded tables: complete provenance, and errors of one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwsim.costs.technology import TABLES, shipped, technology_named

LIBRARIES = ("gate-equivalents", "gt2n", "osu018", "sg13g2", "sky130hd")


def test_five_libraries_are_shipped() -> None:
    """The paper's table needs four."""
    assert shipped() == LIBRARIES


@pytest.mark.parametrize("name", LIBRARIES)
def test_provenance(name: str) -> None:
    """Library, hash, licence, tools, date; every unit with the check that it passed, on what, how many vectors."""
    t = technology_named(name)
    assert all(t.record["library"][k] for k in ("name", "source", "licence", "sha256"))
    assert t.record["tools"]["synthesis"].startswith("Yosys")
    assert t.units
    for u in t.units.values():
        r = u.record
        assert r["check"]["passed"] is True
        assert r["check"]["vectors"] >= 10_000
        assert all(len(r[k]) == 64 for k in ("verilog_sha256", "script_sha256"))
        assert 0 < u.area < 1e7
        assert 0 <= u.registers <= u.area
        assert 0 <= u.gated <= u.clock
        assert "zero" in u.runs[-1].stimulus
        assert u.runs[-1].dynamic <= 0.2 * u.clock  # tokens that start sums and end blocks go on


@pytest.mark.parametrize("name", LIBRARIES)
def test_units_that_must_be_there(name: str) -> None:
    """GQA-LUT's and LLM-FP4's tables."""
    t = technology_named(name)
    for entries in (8, 16):
        assert all(t.recorded("pwl", bits=b, entries=entries) for b in (8, 16, 32))
        assert all(t.recorded("float_pwl", format=f, entries=entries) for f in ("bf16", "fp32"))
    assert all(t.recorded("mac", a=f, b=f, acc=16, lanes=1) for f in ("int4", "fp4_e2m1"))


def test_refused(tmp_path: Path) -> None:
    """No table, no JSON, another JSON, a key that is missing."""
    with pytest.raises(ValueError, match="no such file, and no table; the tables are gate-equivalents"):
        technology_named("tsmc28")
    bad = tmp_path / "bad.json"
    for text, said in (
        ("{", "no JSON"),
        ("[]", "no technology table"),
        ('{"schema": "hwsim-technology/1"}', "missing"),
    ):
        bad.write_text(text)
        with pytest.raises(ValueError, match=said):
            technology_named(str(bad))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(units=5), "wrong kind"),
        (lambda d: d.update(units=[5]), "wrong kind"),
        (lambda d: d.pop("library"), "'library' is missing"),
        (lambda d: d.update(voltage_v="1"), "wrong kind"),
        (lambda d: d.update(node_nm=-1), "node_nm -1 must be above 0"),
        (lambda d: d["units"][0].pop("runs"), "'runs' is missing"),
        (lambda d: d["units"][0].update(area="big"), "wrong kind"),
        (lambda d: d["units"][0].update(area=-1.0), "must be finite, not below 0"),
        (lambda d: d["units"][0].update(leakage_w=math.nan), "must be finite, not below 0"),
        (lambda d: d["units"][0].update(runs=[]), "of one stimulus or more"),
    ],
)
def test_impossible_tables(change: Callable[[dict[str, Any]], Any], said: str, tmp_path: Path) -> None:
    """One line that names what is wrong."""
    data = json.loads((TABLES / "osu018.json").read_text())
    change(data)
    (tmp_path / "bad.json").write_text(json.dumps(data))
    with pytest.raises(ValueError, match=said):
        technology_named(str(tmp_path / "bad.json"))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """A copy is read like a shipped one."""
    source = TABLES / "gate-equivalents.json"
    (tmp_path / "mine.json").write_text(source.read_text())
    mine, ours = technology_named(str(tmp_path / "mine.json")), technology_named("gate-equivalents")
    assert {k: u.area for k, u in mine.units.items()} == {k: u.area for k, u in ours.units.items()}
