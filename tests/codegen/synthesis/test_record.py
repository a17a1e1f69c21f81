"""A record holds the figures, what they sum up, and where they come from."""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from codegen.synthesis import check, library_named, measure, record, synthesize
from codegen.synthesis.gate_equivalents import gate_equivalents
from codegen.synthesis.record import verilog_sha256

from .circuits import OWN, mac, mac_bench, needs_osu018, needs_yosys

near = partial(pytest.approx, rel=1e-12, abs=0)  # Why: the default takes any two femtojoules for equal


@needs_yosys
@pytest.mark.parametrize("name", ["gate-equivalents", pytest.param("osu018", marks=needs_osu018)])
def test_totals_are_sums_and_provenance_is_whole(name: str) -> None:
    library = library_named(name)
    r = measure(mac(), library, mac_bench(), frequency=5e8)
    areas = {c: n * library.cells[c].area for c, n in r["cells"].items()}
    assert r["area"]["total"] == near(sum(areas.values()))
    assert r["area"]["nand2"] == near(r["area"]["total"] / library.nand2.area)
    registers = {c for c in r["cells"] if library.cells[c].register}
    assert r["area"]["registers"] == near(sum(areas[c] for c in registers))
    assert r["register_count"] == sum(r["cells"][c] for c in registers) == 4 + 4 + 1 + 12
    assert r["cell_count"] == sum(r["cells"].values())
    for kind in ("clocked", "gated"):
        p = r["power"][kind]
        parts = [p[f"{k}_w"] for k in ("switching", "internal", "clock", "leakage")]
        assert all(part > 0 for part in parts)
        assert p["total_w"] == near(sum(parts))
        assert p["energy_per_cycle_j"] == near(p["total_w"] / 5e8)
    assert r["unit"]["parameters"] == {"W": 4, "A": 12}
    assert r["unit"]["ports"] == {"clr": 1, "a": 4, "b": 4, "acc": 12}
    assert r["library"] == {
        "name": library.name,
        "source": library.source,
        "licence": library.licence,
        "sha256": library.sha256,
        "left_out": list(library.left_out),
    }
    assert r["check"] == {
        "passed": True,
        "stimulus": "uniform operands, seed 1",
        "sha256": mac_bench().sha256(),
        "steps": 20,
        "lanes": 70,
        "settle": 2,
        "vectors": 18 * 70,
    }
    assert r["tools"]["synthesis"].startswith("Yosys 0.")
    timing = r["timing"]
    assert 0 < timing["critical_path_s"] == near(1 / timing["max_frequency_hz"])
    assert (timing["model"], timing["untimed"]) == ("static, no wires, ideal clock", [])


@needs_yosys
def test_a_clock_that_the_unit_cannot_have_is_labelled() -> None:
    checked = check(synthesize(mac(), OWN), mac_bench())
    most = record(checked, frequency=5e8)["timing"]["max_frequency_hz"]
    found = [record(checked, frequency=f)["power"]["frequency_reached"] for f in (0.999 * most, 1.001 * most)]
    assert found == [True, False]


@needs_yosys
def test_a_library_without_delays_gives_no_critical_path(tmp_path: Path) -> None:
    bare = re.sub(r"timing \(\) \{(?:[^{}]|\{[^{}]*\})*\}", "", gate_equivalents())
    (tmp_path / "bare.lib").write_text(bare)
    made = synthesize(mac(), OWN)
    cells = library_named(str(tmp_path / "bare.lib")).cells
    netlist = made.netlist
    bared = replace(netlist, registers=tuple(replace(i, cell=cells["DFF"]) for i in netlist.registers))
    r = record(check(replace(made, netlist=bared), mac_bench()), frequency=5e8)
    assert r["timing"]["untimed"] == ["DFF"]
    assert r["timing"]["critical_path_s"] is r["timing"]["max_frequency_hz"] is r["power"]["frequency_reached"] is None


@needs_yosys
def test_two_records_are_equal_and_plain_json() -> None:
    first, second = (measure(mac(), OWN, mac_bench(), frequency=5e8) for _ in range(2))
    first["date"] = second["date"]
    assert first == second == json.loads(json.dumps(first, allow_nan=False))
    assert "/tmp" not in json.dumps(first)


@needs_yosys
def test_a_wider_accumulator_costs_area_registers_and_power() -> None:
    small, large = (measure(mac(4, a), OWN, mac_bench(4, a), frequency=5e8) for a in (12, 24))
    assert large["register_count"] - small["register_count"] == 12
    assert large["area"]["total"] > small["area"]["total"] + 12 * 4.67
    assert large["power"]["clocked"]["clock_w"] == near(small["power"]["clocked"]["clock_w"] * 33 / 21)


def test_the_digest_of_verilog_knows_names_and_text() -> None:
    assert verilog_sha256(mac()) == verilog_sha256(mac(8)) != verilog_sha256(mac(bug=True))
