"""The reader of Liberty texts against liberty-parser, and its errors."""

import re

import pytest
from liberty.parser import parse_liberty as oracle

from codegen.synthesis.gate_equivalents import gate_equivalents
from codegen.synthesis.liberty_text import Group, parse_liberty, without_cells
from codegen.synthesis.libraries import OSU018, file_text

from .circuits import SHARED, needs_osu018

TEXT = """library (l) { // a comment
  unit (1, "pf"); time : "1ns" ; /* and
  another */ name : a + b
  cell ("X\\"1") { area : 2; pin (A) { values ("1, 2", \\
     "3, \\
     4"); } };
}
"""


def same(ours: Group, theirs: object) -> int:
    """Whether all groups have the same kinds, arguments and simple attributes; how many groups."""
    assert ours.kind == theirs.group_name
    assert ours.arguments == tuple(str(a).strip('"') for a in theirs.args)
    for a in theirs.attributes:
        if a.name in ours.attributes:
            given, found = ours.attributes[a.name], getattr(a.value, "value", a.value)
            number = re.match(r"[-+\d.]+(e[-+]?\d+)?", given)  # the oracle takes 1ps apart
            assert str(found) == given or (number and float(found) == float(number[0]))
        else:
            assert len(ours.lists[a.name]) == len(a.value)
    assert len(ours.groups) == len(theirs.groups)
    return 1 + sum(same(o, t) for o, t in zip(ours.groups, theirs.groups, strict=True))


def test_our_library_reads_as_the_oracle_reads_it() -> None:
    text = gate_equivalents()
    assert same(parse_liberty(text, "own"), oracle(text)) > 200


@needs_osu018
def test_osu018_reads_as_the_oracle_reads_it() -> None:
    text = file_text(OSU018)
    assert same(parse_liberty(text, "osu018"), oracle(text)) > 500


@pytest.mark.skipif(not SHARED.is_dir(), reason="left out: gt2n (../shared is not there)")
def test_a_string_over_several_lines_reads_as_the_oracle_reads_it() -> None:
    text = file_text(SHARED / "gt2n.lib.gz")
    assert same(parse_liberty(text, "gt2n"), oracle(text)) > 500


def test_groups_attributes_and_lists() -> None:
    library = parse_liberty(TEXT, "t.lib")
    assert library.name == "l"
    assert library.attributes == {"time": "1ns", "name": "a + b"}
    assert library.lists == {"unit": ("1", "pf")}
    (cell,) = library.groups
    (pin,) = cell.inside("pin")
    assert (cell.name, cell.attributes, pin.lists) == ('X\\"1', {"area": "2"}, {"values": ("1, 2", "3,       4")})


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("};\n}", "};", "line 7: expected a name, found the end"),
        ("area : 2;", "area 2;", "line 4: expected ':' or '(' after area, found '2'"),
        ('"1ns"', '"1ns', "line 4: expected"),
        ('4");', "4);", "line 5: a string that does not end"),
        ("library (l)", "cell (l)", "line 1: expected library (NAME) {"),
        ("area : 2;", "area : ;", "line 4: expected a value, found ';'"),
        ("};\n}", "};\n}\nx", "line 8: expected nothing after the library, found 'x'"),
        ("pin (A) {", "pin (A {", "line 4: expected ')', found '{'"),
    ],
)
def test_a_broken_file_is_one_line(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=re.escape(f"t.lib, {says}")) as e:
        parse_liberty(TEXT.replace(old, new), "t.lib")
    assert "\n" not in str(e.value)


def test_cells_are_cut_out_of_the_text_and_nothing_else() -> None:
    text = gate_equivalents()
    cut = without_cells(text, ("X*", "MUX2"))
    names = [g.name for g in parse_liberty(text, "a").inside("cell")]
    assert [g.name for g in parse_liberty(cut, "b").inside("cell")] == [
        n for n in names if n not in ("XOR2", "XNOR2", "MUX2")
    ]
    assert without_cells(text, ()) == text
