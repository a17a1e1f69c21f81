"""What is generated says what the code says."""

from __future__ import annotations

import re
import sys

import pytest

from hwsim.app import COMMANDS, parser
from hwsim.formats import FORMATS
from hwsim.ops import OPS, Gather, MatMul, Pool, Requant, Reshape, Select, Shift

from .pages import DOCS

sys.path.insert(0, str(DOCS))

from generators import GENERATORS, api, commands, operators, results  # after the path is set


def test_every_marker_has_a_generator_and_every_generator_a_marker() -> None:
    found = [m for p in DOCS.rglob("*.md") for m in re.findall(r"<!-- generated: (\S+) -->", p.read_text())]
    assert sorted(found) == sorted(GENERATORS)


@pytest.mark.parametrize(
    ("op", "numba", "verilog"),
    [
        (Requant, "`run_fast`", "`RequantUnit`"), (Select, "`run`", "`ElementwiseUnit`"), (Pool, "`run`", ""),
        (MatMul, "`run_fast`", "`MacUnit`"), (Reshape, "`run`", "wires"), (Gather, "`run`", ""),
    ],
)  # fmt: skip
def test_engines_are_looked_up(op: type, numba: str, verilog: str) -> None:
    cells = operators.engines_of(op)
    assert (cells["numba"], cells["Verilog"]) == (numba, verilog)
    assert cells["C"] == cells["ONNX"] == cells["torch"] == "yes"


def test_an_op_that_nobody_else_computes() -> None:
    class Lonely:
        name = "lonely"

    assert [e for e, how in operators.engines_of(Lonely).items() if how] == ["numpy", "numba"]


def test_a_section_has_formula_fields_types_and_rounding() -> None:
    text = operators.section(Shift)
    assert "``y = round(x / 2**bits)``" in text
    assert "| `rounding` | `str` | `floor` | how a right shift rounds. |" in text
    assert "| `bits` | `int` |  | right shift, -31..62; negative goes left. |" in text
    assert "Types, of `x`: `x`'s shape; the lsb" in text
    assert "Rounding: `half_even`, `half_up`, `half_away`, `floor`, `toward_zero`; default `floor`." in text


def test_every_field_of_every_op_is_described() -> None:
    rows = [r for r in operators.reference().splitlines() if r.startswith("| `")]
    assert len(rows) > len(OPS)
    assert [r for r in rows if re.search(r"\|\s*\|$", r)] == []


def test_commands_have_all_options_of_their_parsers() -> None:
    text = commands.reference()
    for name, p in commands.inside(parser()):
        assert f"(hwsim-{name})=" in text
        flags = [s for a in p._actions for s in a.option_strings if a.help != "==SUPPRESS=="]
        assert [f for f in flags if f"`{f}" not in text] == []
    assert set(COMMANDS) == {name for name, _ in commands.inside(parser())}


def test_help_is_no_markup() -> None:
    assert commands.plain("a * b_c <d> [e] `f`  g") == r"a \* b\_c \<d\> \[e\] \`f\` g"
    assert api.escaped("|x| of ``|y|`` and *z") == r"\|x\| of ``|y|`` and \*z"


def test_formats_name_their_limits() -> None:
    rows = {r.split("`")[1]: r for r in api.formats().splitlines() if "`" in r}
    assert set(rows) == set(FORMATS)
    assert rows["fp4_e2m1"] == "| `fp4_e2m1` | 4 | -6 | 6 | 0.5 | float, 2 exponent and 1 mantissa bits |"
    assert rows["int8"].startswith("| `int8` | 8 | -128 | 127 | 1 |")


def test_links_of_the_readme_are_seen_from_here() -> None:
    text = results.sections()
    assert "## How accurate" in text
    links = [t for t in re.findall(r"\]\(([^)#:]+)\)", text) if not (DOCS / t).is_file()]
    assert links == []
