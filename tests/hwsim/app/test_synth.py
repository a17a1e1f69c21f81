"""`hwsim synth`: table, JSON, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from hwsim.app import synth
from hwsim.app.errors import Parser
from tests.codegen.synthesis.circuits import mac, mac_bench, needs_yosys


@pytest.fixture
def files(tmp_path: Path) -> Path:
    bench = mac_bench(lanes=5)
    (tmp_path / "mac.v").write_text(mac().files["mac.v"])
    (tmp_path / "bug.v").write_text(mac(bug=True).files["mac.v"])
    outputs = {n: v.astype(np.int64) for n, v in bench.outputs.items()}
    np.savez(tmp_path / "v.npz", **bench.inputs, **outputs)
    np.savez(tmp_path / "more.npz", **bench.inputs, **outputs, clk=bench.inputs["clr"])
    np.savez(tmp_path / "less.npz", **bench.inputs)
    return tmp_path


def run(*arguments: object) -> int:
    p = Parser(prog="hwsim")
    synth.add(p.add_subparsers(parser_class=Parser))
    args = p.parse_args(["synth", *map(str, arguments)])
    return args.run(args)


@needs_yosys
def test_the_table(files: Path, capsys) -> None:
    assert run(files / "mac.v", "--top", "mac", "--set", "W=4", "--vectors", files / "v.npz") == 0
    out = capsys.readouterr().out
    assert re.search(r"^mac on gate_equivalents \(hwsim; Apache-2\.0\), Yosys 0\.\d+", out)
    assert "check    passed, 90 vectors\n" in out
    assert re.search(r"^clocked( +[\d.e-]+){6}$", out, re.MULTILINE)
    assert "500 MHz, 0.9 V; zero-delay, no wires, no clock tree" in out
    assert re.search(r"^timing +critical path 0\.\d+ ns, at most \d+ MHz; static, no wires, ideal clock$", out, re.M)
    assert "WARNING" not in out


@needs_yosys
def test_a_clock_above_the_critical_path_is_warned_of(files: Path, capsys) -> None:
    run(files / "mac.v", "--top", "mac", "--set", "W=4", "--vectors", files / "v.npz", "--frequency", "1e10")
    assert "WARNING: the critical path does not allow this clock" in capsys.readouterr().out


@needs_yosys
def test_timed_power(files: Path, capsys) -> None:
    run(files / "mac.v", "--top", "mac", "--set", "W=4", "--vectors", files / "v.npz", "--timed")
    assert "timed (glitches at the library's delays), no wires" in capsys.readouterr().out


@needs_yosys
def test_the_record(files: Path, capsys) -> None:
    run(files / "mac.v", "--top", "mac", "--set", "W=0x4", "--vectors", files / "v.npz", "--frequency", "1e8", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["unit"]["parameters"] == {"W": 4}
    assert found["power"]["frequency_hz"] == 1e8
    assert str(files) not in json.dumps(found)


@needs_yosys
@pytest.mark.parametrize(
    ("verilog", "vectors", "says"),
    [
        ("bug.v", "v.npz", "no area for a wrong netlist"),
        ("mac.v", "more.npz", "more.npz: mac has no port 'clk' (the clock runs by itself)"),
        ("mac.v", "less.npz", "mac: ports ['acc'], values for []"),
    ],
)
def test_no_figures_without_a_check(files: Path, verilog: str, vectors: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        run(files / verilog, "--top", "mac", "--vectors", files / vectors)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "W"], "--set W: expected NAME=INTEGER, as W=8"),
        (["--set", "W=x"], "--set W=x: expected NAME=INTEGER"),
        (["--lib", "none.lib"], "library 'none.lib': no such file"),
        (["--vectors", "mac.v"], "mac.v: no valid .npz"),
    ],
)
def test_bad_arguments_are_one_line(files: Path, arguments: list[str], says: str, monkeypatch) -> None:
    monkeypatch.chdir(files)
    with pytest.raises(ValueError, match=re.escape(says)):
        run("mac.v", "--top", "mac", "--vectors", "v.npz", *arguments)
