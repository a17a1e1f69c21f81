"""Block multiply-accumulate units: formats, scales, roundings, datapaths, lanes: every running sum against the op."""

import numpy as np
import pytest

from codegen import verify
from codegen.rtl import BlockMacUnit, nodes
from codegen.rtl.block_stimulus import BLOCKS
from codegen.runners.verilog import run_unit
from codegen.synthesis import check, library_named, synthesize
from codegen.synthesis.benches import bench_of, verilog_of
from codegen.unsupported import Unsupported
from hwsim import BATCH, INT8, INT16, INT32, Graph, QTensor, QType
from hwsim.blockformats import (
    INT4_G32,
    MXFP4,
    MXFP6_E2M3,
    MXFP6_E3M2,
    MXFP8_E4M3,
    MXFP8_E5M2,
    MXINT8,
    NVFP4,
    UINT4_G32,
    int4_groups,
)
from hwsim.formats import BINARY, E8M0, INT24, INT48, UINT4, UINT8, UINT16
from hwsim.ops import BlockMatMul, Float32Sum
from hwsim.ops.datapath import Datapath
from hwsim.ranges import Interval
from hwsim.rounding import ROUNDINGS
from tests.codegen.verilog.simulators import assert_equal, lint, mutated, needs_icarus, needs_yosys
from tests.compare import assert_refused, assert_same
from tests.hwsim.ops.test_block_matmul import SIDES, product

WINDOW = {"lsb_exp": -6, "max_exp": 6}
NVIDIA = {"lsb_exp": 22, "acc": INT24}
FORMATS = [
    *((f, f, WINDOW) for f in (MXFP4, MXFP6_E2M3, MXFP6_E3M2, MXFP8_E4M3, MXINT8)),
    (MXFP8_E4M3, MXFP8_E5M2, {"lsb_exp": 30, "max_exp": 31, "acc": INT48}),
    *((INT8, MXFP8_E5M2, WINDOW | {"acc": INT48}), (NVFP4, NVFP4, NVIDIA), (INT8, NVFP4, {})),
    *((INT8, INT4_G32, {}), (INT8, UINT4_G32, {"zero_a": 3}), (INT16, int4_groups(8, scale=E8M0), WINDOW)),
]
PATHS = [
    *(Datapath(overflow="wrap"), Datapath(overflow="saturate", drop=3), Datapath(overflow="wrap", drop=1)),
    Datapath(overflow="saturate", signs="magnitude", drop=2),
]


def small(**choices):
    """Quick to synthesize: INT8 by UINT4 with zero points, blocks of four in two steps, in 16 bits."""
    op = BlockMatMul(block=4, acc=INT16, zeros=True, **WINDOW, datapath=Datapath(overflow="saturate"))
    return BlockMacUnit(**({"op": op, "a": INT8, "b": UINT4, "zeros": UINT4, "zero_a": -5, "lanes": 2} | choices))


@needs_icarus
@pytest.mark.parametrize("i", range(len(FORMATS)), ids=lambda i: "-".join(f.name for f in FORMATS[i][:2]))
def test_every_block_format(i):
    """One, four or eight lanes, all stages."""
    a, b, fields = FORMATS[i]
    assert_equal(BlockMacUnit.of(a, b, **fields, lanes=(1, 4, 8)[i % 3], stages=(i + i // 3) % 3), 10_000)


@needs_icarus
@pytest.mark.parametrize("unit", [MXFP4, NVFP4], ids=lambda f: f.name)
def test_a_block_a_cycle(unit):
    fields = NVIDIA if unit == NVFP4 else WINDOW
    assert_equal(BlockMacUnit.of(unit, unit, **fields, lanes=unit.block), 10_000)


@needs_icarus
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_rounding_and_all_exponents(rounding):
    for lsb_exp, max_exp in ((-40, 0), (9, 40), (100, 62)):
        op = BlockMatMul(block=2, acc=INT16, lsb_exp=lsb_exp, max_exp=max_exp, rounding=rounding,
                         datapath=Datapath(overflow="saturate"))  # fmt: skip
        assert_equal(BlockMacUnit(op=op, a=UINT4, b=INT8, lanes=2), 3000, vectors=3000)
    op = BlockMatMul(block=4, acc=INT16, lsb_exp=5, rounding=rounding, datapath=Datapath(overflow="wrap"))
    assert_equal(BlockMacUnit(op=op, a=INT8, b=INT8, scale_b=UINT8, lanes=4), 3000, vectors=3000)


@needs_icarus
@pytest.mark.parametrize("path", PATHS, ids=lambda p: f"{p.overflow}-{p.drop}-{p.signs}")
def test_accumulators(path):
    op = BlockMatMul(block=8, acc=INT16, left=True, **WINDOW, datapath=path)
    narrow = Interval(125, 129), Interval(127, 130)
    assert_equal(BlockMacUnit(op=op, a=MXFP4.element, b=INT8, scale_a=E8M0, lanes=4, exponents=narrow), 10_000)


@needs_icarus
def test_proven_sums_are_not_limited():
    op = BlockMatMul(block=8, acc=INT32, lsb_exp=-4, max_exp=4)
    assert_equal(BlockMacUnit(op=op, a=INT8, b=MXFP4.element, lanes=4), 10_000)


@needs_icarus
def test_against_python_integers():
    """Exact fractions of one result after another; only INT16 saturates."""
    rng, unit = np.random.default_rng(5), small(zero_a=0, zeros=None, op=BlockMatMul(
        block=4, acc=INT16, lsb_exp=2, max_exp=6, datapath=Datapath(overflow="saturate")))  # fmt: skip
    codes = unit.stimulus(rng, 4000)
    acc, want = 0, []
    for i in range(0, len(codes["a"]), 2):
        a, b = (codes[p][i : i + 2].reshape(-1).tolist() for p in ("a", "b"))
        power = min(int(codes["scale_b"][i]) - 127, 6) - 2
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        term = dot << power if power >= 0 else round(dot / 2**-power)  # half to even, as Python does
        before = 0 if codes["first"][i] else acc
        acc = min(max(before + term, -(2**15)), 2**15 - 1)
        want += [before, acc]
    assert_same(want, run_unit(unit, codes)["y"])


@needs_icarus
@pytest.mark.parametrize("name", SIDES)
def test_graphs_of_every_pairing(name):
    """Last blocks of 5 of 16 elements, scales and zero points as inputs."""
    p = product(name)
    p.inputs = (0, *range(2, len(p.ins)))
    graph, inputs = p.build()
    report = verify(graph, inputs, against=("verilog",))
    assert report.ok, f"\n{report}"


@needs_icarus
@pytest.mark.parametrize("change", [{"block": 70}, {"block": 1}, {"rounding": "floor", "datapath": PATHS[1]}])
def test_graphs_of_other_blocks(change):
    graph, inputs = product("int8 with int4", **change).build()
    assert verify(graph, inputs, against=("verilog",)).ok


MUTANTS = {
    "signs of a product": lambda t: t.replace("$signed(a_0[7:0])", "$signed({1'b0, a_0[6:0]})"),
    "another tie": lambda t: t.replace("~placed[", "placed["),
    "no zero point": lambda t: t.replace("- zero_b_int", "- 1'sh0"),
    "blocks that run on": lambda t: t.replace("first | ended", "first"),
    "no saturation": lambda t: t.replace("last ? limited", "last ? next[15:0]"),
    "one exponent less": lambda t: t.replace("scale_b_int + -", "scale_b_int + 1'sh1 + -").replace(
        "scale_b_int + ", "scale_b_int + 1'sh1 + "
    ),
    "a sum that nothing starts": lambda t: t.replace("first ? 1'sh0 : acc", "fresh ? 1'sh0 : acc"),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert mutated(small(), MUTANTS[name]) > 0


def test_extremes_are_in_the_stimulus():
    """Vanishing blocks, exponents past `max_exp`, both ends of a saturating accumulator, both ends of E8M0."""
    unit = BlockMacUnit.of(MXFP4, MXFP4, **WINDOW, acc=INT16, lanes=32)
    codes = unit.stimulus(np.random.default_rng(0), 10_000)
    y, total = unit.expected(codes)["y"], codes["scale_a"].astype(int) + codes["scale_b"] - 254
    assert {y.min(), y.max()} == {-(1 << 15), (1 << 15) - 1}
    assert (total > 6).sum() > 500 < (total < -20).sum()
    assert {0, 254} <= set(codes["scale_b"].tolist())
    assert len(y) >= 10_000
    assert codes["first"].sum() == -(-10_000 // BLOCKS)


@needs_yosys
def test_yosys_finds_nothing_and_the_gates_are_equal(tmp_path):
    unit = small(stages=1)
    lint(unit, tmp_path)
    codes = unit.stimulus(np.random.default_rng(0), 1536)
    made = synthesize(verilog_of(unit), library_named("gate-equivalents"))
    check(made, bench_of(unit, codes, 8, "blocks"))


FLOATS = BlockMatMul(block=4, acc=INT16, datapath=Float32Sum())
TREE = BlockMatMul(block=4, datapath=Datapath(overflow="saturate", tree=4))
REFUSED = {
    "lanes": ({"lanes": 3}, "lanes 3", "block of 4"),
    "stages": ({"stages": 3}, "stages 3", "0..2"),
    "wide": ({"a": INT24}, "int24", "16 bits"),
    "floats": ({"op": FLOATS, "zeros": None}, "float32", "integer accumulator"),
    "tree": ({"op": TREE, "zeros": None}, "4 blocks a step"),
    "scales": ({"scale_a": E8M0}, "left=False", "scale_a"),
    "zeros": ({"b": MXFP4.element}, "zero points of fp4_e2m1"),
    "exponents": ({"exponents": (Interval(0, 9),) * 2}, "2 ranges"),
    "past 61 bits": ({"op": BlockMatMul(block=4, acc=INT16, zeros=True, max_exp=55)}, "2**61"),
    "one block": ({"op": BlockMatMul(block=4, acc=INT16, zeros=True, max_exp=6)}, "a block may reach", "int16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    choices, *culprits = REFUSED[name]
    assert_refused(lambda: small(**choices), *culprits)


def test_formats_that_do_not_go_together():
    assert_refused(lambda: BlockMacUnit.of(MXFP4, NVFP4), "mxfp4 beside nvfp4", "blocks agree")
    assert_refused(lambda: BlockMacUnit.of(MXFP8_E5M2, MXFP8_E5M2), "2**61")


def test_what_no_unit_computes_at_once():
    g = Graph("g")
    x = g.input("x", QType((BATCH, 6), BINARY))
    w = g.constant("w", QTensor(QType((6, 1), BINARY), np.zeros((6, 1), np.uint8)))
    s = g.constant("s", QTensor(QType((2, 1), UINT16), np.ones((2, 1), np.uint16)))
    g.output(
        g.add(BlockMatMul(block=4), x, w, s, name="signs"),
        g.add(BlockMatMul(block=3, datapath=Float32Sum()), x, w, s, name="floats"),
    )
    with pytest.raises(Unsupported) as e:
        nodes.units_of(g, 1)
    assert len(e.value.problems) == 2
    assert "6 products in blocks of 4" in str(e.value)
