"""`hwsim synth --refresh`: a table of one's own, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.app import synth
from hwsim.app.errors import Parser
from hwsim.costs.technology import technology_named
from tests.codegen.synthesis.circuits import needs_yosys


def run(*arguments: object) -> int:
    p = Parser(prog="hwsim")
    synth.add(p.add_subparsers(parser_class=Parser))
    args = p.parse_args(["synth", *map(str, arguments)])
    return args.run(args)


@needs_yosys
def test_a_table_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.json"
    mine = ("--refresh", "mine", "--lib", "gate-equivalents", "--all", "--only", "add", "-o", path)
    assert run(*mine) == 0
    said = capsys.readouterr()
    assert "6 units of gate_equivalents (hwsim), 6 of them made now" in said.out
    assert said.err.startswith("mine: add bits 8: ")
    ours, read = technology_named("gate-equivalents"), technology_named(str(path))
    assert read.name == "mine"
    for bits in (8, 24, 48):
        assert read.recorded("add", bits=bits).area == pytest.approx(ours.recorded("add", bits=bits).area, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--refresh", "osu018", "unit.v"), "leave out FILE.v, --top and --vectors"),
        (("--refresh", "sg13g2", "--only", "adder"), "--only adder: no such family; there are mac, pe"),
        (("--refresh", "mine", "--lib", "gate-equivalents", "--only", "lut"), "holds no unit of lut; --all takes"),
        (("--refresh", "nangate45"), "library 'nangate45': no such file, and no name"),
        (("--refresh", "sg13g2", "--lib", "gate-equivalents", "--only", "add"), "write elsewhere with -o"),
        (("--refresh", "sg13g2", "--lib", "gate-equivalents"), "is of .*, not of gate_equivalents: write elsewhere"),
        (("unit.v", "--top", "unit"), "needs FILE.v, --top NAME and --vectors"),
    ],
)
def test_refused(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(*arguments)
