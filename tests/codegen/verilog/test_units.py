"""What all units share: names, literals, lint by two tools, what is refused and how a difference is told."""

import pytest

from codegen import emit_verilog, verify_unit
from codegen.rtl import LutUnit, MacUnit, PwlUnit, ReduceUnit, RequantUnit, ShiftUnit
from codegen.rtl.module import literal
from codegen.runners import verilog
from hwsim import FP4_E2M1, INT4, INT8, INT16, INT32, QType
from hwsim.contracts import Dyadic16, TflmDouble
from hwsim.ops import Lut, Pwl, Reduce, Requant, Shift
from hwsim.ops.datapath import Datapath
from tests.codegen.verilog.simulators import assert_equal, lint, needs_icarus, needs_yosys, synthesized
from tests.compare import assert_refused

X, WIDE = QType(("N",), INT8), QType(("N", 2), INT32, (0.1, 0.02), axis=1)
PWL = Pwl(breakpoints=(-5, 9), slopes=(1, 2, 3), intercepts=(0, 4, 8), shift=2)
NEGATE = Lut(table=tuple(min(-c, 7) for c in range(-8, 8)), fmt=INT4)
UNITS = [
    *(PwlUnit(op=PWL, x=X, stages=2, table=t) for t in ("registers", "constants")),
    *(LutUnit(op=NEGATE, x=QType(("N",), INT4), stages=1, table=t) for t in ("registers", "constants")),
    RequantUnit(op=Requant(contract=Dyadic16.of((0.1, 0.02), "half_even"), scale=1.0), x=WIDE, stages=2),
    RequantUnit(op=Requant(contract=TflmDouble.of((0.1, 0.02)), scale=1.0), x=WIDE),
    ShiftUnit(op=Shift(bits=3, rounding="half_away", fmt=INT16), x=X),
    MacUnit(a=INT8, b=INT4, acc=INT16, datapath=Datapath(overflow="saturate"), bias=True, stages=1),
    MacUnit(a=FP4_E2M1, b=FP4_E2M1, acc=INT16, lanes=4),
    *(ReduceUnit(op=Reduce(kind=k, axes=(1,)), x=X, count=9) for k in ("sum_square", "max")),
]
HOSTILE = [
    *('a"; $finish; //', "endmodule\nmodule evil", "always", "logic", "", "1bit", "hw_bench", "../../x", "x" * 10_000),
    *("`include", "\\escaped ", "клеть", "clk", "$display"),
]


@needs_icarus
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(name):
    unit = LutUnit(op=NEGATE, x=QType(("N",), INT4), name=name)
    ((file, text),) = emit_verilog(unit).items()
    assert file.removesuffix(".v").isidentifier()
    assert len(file) < 45
    assert text.isascii()
    assert not any(w in text for w in ("$finish", "evil;", "`", "$display", "\\"))
    assert_equal(unit, 16)


@needs_yosys
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: type(u).__name__)
def test_yosys_finds_nothing(unit, tmp_path):
    lint(unit, tmp_path)


@needs_icarus
@needs_yosys
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: type(u).__name__)
def test_the_gates_that_yosys_makes_are_equal(unit, tmp_path):
    row = verify_unit(unit, 1000, verilog=synthesized(unit, tmp_path))
    assert (row.mismatches, row.first) == (0, None)


@needs_icarus
@pytest.mark.parametrize("unit", UNITS, ids=lambda u: type(u).__name__)
def test_icarus_warns_of_nothing_and_all_are_equal(unit):
    assert_equal(unit, 16)


@needs_icarus
def test_a_warning_is_an_error():
    unit = UNITS[0]
    ((name, text),) = emit_verilog(unit).items()
    with pytest.raises(RuntimeError, match="iverilog"):
        verify_unit(unit, verilog={name: text.replace("x[7:0])", "x[9:0])")})
    with pytest.raises(RuntimeError, match="iverilog"):
        verify_unit(unit, verilog={name: text.replace("endmodule", "")})


@needs_icarus
def test_a_difference_is_told_with_its_inputs():
    unit = LutUnit(op=NEGATE, x=QType(("N",), INT4), name="negate")
    ((name, text),) = emit_verilog(unit).items()
    row = verify_unit(unit, verilog={name: text.replace("4'h3: entry = 4'hd", "4'h3: entry = 4'hc")})
    assert (row.mismatches, row.codes, row.engine) == (1, 16, "verilog")
    assert str(row.first) == "value 'y' of unit negate at index (11,): expected -3, got -4; inputs there: x 3"


def test_literals_keep_their_value_in_wider_sums():
    assert [literal(v, b) for v, b in ((-128, 8), (127, 8), (-1, 1), (0, 1), (5, 12))] == [
        *("8'sh80", "8'sh7f", "1'sh1", "1'sh0", "12'sh5"),
    ]


def test_without_a_simulator(monkeypatch):
    monkeypatch.setattr(verilog.shutil, "which", lambda name: None)
    verilog.icarus_version.cache_clear()
    assert_refused(lambda: verify_unit(UNITS[0]), "no Verilog simulator", "iverilog")
    verilog.icarus_version.cache_clear()
