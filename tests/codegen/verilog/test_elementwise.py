"""Graphs of element-by-element ops as one module: reciprocal, rsqrt, sums, products, choices, against the simulator."""

import numpy as np
import pytest

from codegen import emit_verilog
from codegen.rtl import ElementwiseUnit
from codegen.unsupported import Unsupported
from hwsim import BATCH, FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, INT32, UINT8, Graph, QTensor, QType
from hwsim.blocks.reciprocal import reciprocal
from hwsim.blocks.rsqrt import rsqrt
from hwsim.contracts import Dyadic16
from hwsim.formats import UINT1, UINT4, UINT16, UINT32
from hwsim.ops import Add, Lut, MatMul, Mul, Normalize, Pwl, Requant, Select, Shift, ShiftBy
from hwsim.rounding import ROUNDINGS
from tests.codegen.verilog.simulators import assert_equal, lint, mutated, needs_icarus, needs_yosys


def unit(build, *formats, stages=0, zero=0):
    """A unit of the outputs that `build` makes of inputs in these formats."""
    g = Graph("element")
    out = build(
        g, *(g.input(f"x{i}", QType((BATCH,), f, 1.0, zero if f == INT8 else 0)) for i, f in enumerate(formats))
    )
    g.output(*(out if isinstance(out, tuple) else (out,)))
    return ElementwiseUnit(graph=g, stages=stages)


def residual(g, a, b):
    """Both sides to one grid, the exact sum, one rounding, a function."""
    sides = [g.add(Requant.to(QType((), INT16, 0.25), v.type, Dyadic16), v) for v in (a, b)]
    y = g.add(Requant.to(QType((), INT8, 2.0, 3), QType((), INT32, 0.25), Dyadic16), g.add(Add(), *sides))
    y = g.add(Lut(table=tuple(range(127, -129, -1))), y)
    y = g.add(Shift(bits=1, rounding="half_even", fmt=INT16), y)
    return g.add(Pwl(breakpoints=(0, 9), slopes=(-1, 2, 1), intercepts=(0, 3, 5), shift=1), y)


def scaled(g, x):
    """By a constant, with its zero point."""
    three = g.constant("three", QTensor(QType((), INT8, 1.0, 1), np.array(3, np.int8)))
    return g.add(Mul(), x, three)


@needs_icarus
@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("block", [reciprocal, rsqrt])
def test_reciprocals_on_the_whole_range(block, stages):
    for fmt, codes in ((UINT8, 512), (UINT16, 2 << 16), (UINT32, 20_000), (INT32, 20_000)):
        assert_equal(unit(lambda g, x: block(g, x, name="r"), fmt, stages=stages), codes)


@needs_icarus
@pytest.mark.parametrize("bits", [2, 5, 9, 16])
def test_normalize(bits):
    for fmt in (UINT1, UINT4, UINT8, INT8, UINT32):
        assert_equal(unit(lambda g, x: g.add_all(Normalize(bits=bits), x), fmt))


@needs_icarus
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_shift_by(rounding):
    for fields in ({"bits": 0, "rounding": rounding}, {"bits": 3, "rounding": rounding}):
        narrow, wide = ShiftBy(**fields, fmt=INT8), ShiftBy(**fields)
        assert_equal(unit(lambda g, x, s, op=narrow: g.add(op, x, s), INT8, UINT4), 4096)
        assert_equal(unit(lambda g, x, s, op=wide: g.add(op, x, s), INT32, UINT4), 10_000)


@needs_icarus
def test_sums_products_and_choices():
    assert_equal(unit(lambda g, a, b: g.add(Add(), a, b), INT8, INT8, zero=7), 1 << 16)
    assert_equal(unit(lambda g, a, b: g.add(Mul(), a, b), INT8, FP4_E2M1, zero=-128), 4096)
    assert_equal(unit(lambda g, a, b: g.add(Mul(), a, b), FP8_E4M3, FP4_E2M1), 4000)
    assert_equal(unit(lambda g, c, a, b: g.add(Select(), c, a, b), UINT4, INT4, INT4), 4096)
    assert_equal(unit(scaled, INT8, zero=5), 256)
    assert_equal(unit(lambda g, a: (a, g.add(Add(), a, a)), INT8), 512)


@needs_icarus
@pytest.mark.parametrize("stages", [0, 2])
def test_a_chain_of_nodes(stages):
    assert_equal(unit(residual, INT8, INT8, stages=stages), 1 << 16)


@needs_icarus
def test_mutants_are_seen():
    made = unit(lambda g, x: reciprocal(g, x, name="r"), UINT16)
    assert mutated(made, lambda t: t.replace("? 3'sh4 :", "? 3'sh5 :")) > 0
    assert mutated(made, lambda t: t.replace("16'h100: hw_n1_entry = 16'hff", "16'h100: hw_n1_entry = 16'hfe")) > 0
    made = unit(lambda g, c, a, b: g.add(Select(), c, a, b), UINT4, INT4, INT4)
    assert mutated(made, lambda t: t.replace("== 1'sh0", "!= 1'sh0")) > 0


@needs_yosys
def test_yosys_finds_nothing(tmp_path):
    lint(unit(lambda g, x: rsqrt(g, x, name="r"), UINT32, stages=2), tmp_path)
    lint(unit(residual, INT8, INT8), tmp_path)


def test_hostile_names():
    g = Graph('"; $finish;')
    x = g.input("clk", QType((BATCH,), INT8))
    y = g.add(Add(), x, g.input("module\n`x", QType((BATCH,), INT8)), name="endmodule")
    g.output(y)
    ((name, text),) = emit_verilog(ElementwiseUnit(graph=g, stages=1)).items()
    assert name == "finish.v"
    assert "`" not in text
    assert text.count("endmodule") == text.count("endmodule_2") + 1


def test_everything_without_wires_in_one_error():
    g = Graph("g")
    x = g.input("x", QType((BATCH, 2), INT8))
    w = g.constant("w", QTensor(QType((2, 1), INT8), np.ones((2, 1), np.int8)))
    g.output(g.add(MatMul(), x, w, name="y"))
    with pytest.raises(Unsupported) as e:
        ElementwiseUnit(graph=g)
    assert [p.split(":")[0] for p in e.value.problems] == ["node 0 matmul 'y'", "value 'x'", "value 'w'"]


def test_floats_inside():
    with pytest.raises(ValueError, match="lut of fp4_e2m1"):
        unit(lambda g, x: g.add(Lut(table=tuple(range(16))), x), FP4_E2M1)
    with pytest.raises(ValueError, match="output 'lut_0' is fp4_e2m1"):
        unit(lambda g, x: g.add(Lut(table=tuple(range(16)), fmt=FP4_E2M1), x), INT4)
