"""Sums of blocks in float32 against fractions rounded step by step, on every engine."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from codegen import emit_c
from codegen.runners.c import SANITIZERS, STRICT, compile_and_run, compilers
from hwsim import INT4, INT8, INT16, INT32, INT64, UINT4, UINT8, Graph, IntFormat, QTensor, QType, load, save, simulate
from hwsim.formats import E8M0, FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2, INT48, UINT32
from hwsim.ops import BlockMatMul, Float32Sum
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.block_products import Product, case
from tests.oracles.exact import float32, nearest_float32
from tests.oracles.one_op import overflows, refuses, t

FLOAT = Float32Sum()
SIDES = {
    "mxfp4": (FP4_E2M1, FP4_E2M1, E8M0, E8M0, {"lsb_exp": -8, "max_exp": 8}),
    "mxfp6": (FP6_E2M3, FP6_E3M2, E8M0, E8M0, {"lsb_exp": -12, "max_exp": 12, "spread": 6}),
    "mxfp8": (FP8_E4M3, FP8_E4M3, E8M0, E8M0, {"lsb_exp": 6, "max_exp": 8}),
    "mxfp8 e5m2 weights": (FP8_E4M3, FP8_E5M2, E8M0, E8M0, {"lsb_exp": 4, "max_exp": 30, "spread": 15}),
    "mxint8": (INT8, INT8, E8M0, E8M0, {"lsb_exp": -8, "max_exp": 8, "acc": INT16}),
    "nvfp4": (FP4_E2M1, FP4_E2M1, FP8_E4M3, FP8_E4M3, {"lsb_exp": 8}),
    "nvfp4 with mxfp4": (FP4_E2M1, FP4_E2M1, FP8_E4M3, E8M0, {"lsb_exp": -4, "max_exp": 4, "acc": INT48}),
    "int8 with nvfp4": (INT8, FP4_E2M1, FP8_E4M3, None, {"acc": INT48}),
    "int8 with int4": (INT8, INT4, UINT8, None, {"lsb_exp": -2}),
    "mxfp8 with uint4": (FP8_E4M3, UINT4, FP8_E4M3, E8M0, {"zeros": UINT4, "lsb_exp": 12, "max_exp": 4}),
}
WIDE = (("mxfp8", -2), ("mxint8", -8), ("int8 with nvfp4", 0))  # exact sums of more than 24 bits


def product(name: str, seed: int = 0, **more: object) -> Product:
    fa, fb, right, left, fields = SIDES[name]
    p = case(seed, fa, fb, right, left, **{"datapath": FLOAT, **fields, **more})
    p.inputs = (0, 3) if p.op.left else (0,)
    return p


def built(p: Product) -> tuple[Graph, dict[str, np.ndarray], np.ndarray]:
    """Graph, inputs and what they give; the proof holds it."""
    graph, given = p.build()
    want = np.array(p.expected(), object)
    assert graph.reach["y"].lo <= want.min()
    assert want.max() <= graph.reach["y"].hi
    return graph, given, want


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("where", ["constant weights", "all are inputs"])
def test_every_pairing_on_every_engine(name, where):
    p = product(name)
    if where == "all are inputs":
        p.inputs = tuple(range(len(p.ins)))
    graph, given, want = built(p)
    check_engines(graph, given, {"y": want})


@pytest.mark.parametrize("seed", range(30))
def test_fuzz_against_fractions(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(d) for d in rng.integers(1, [5, 70, 5]))
    for name in SIDES:
        graph, given, want = built(product(name, seed, shape=shape, block=int(rng.choice([1, 3, 16, 32]))))
        for engine in ("numpy", "numba"):
            assert_same(want, simulate(graph, given, engine=engine)["y"], what=f"{name} {engine}")


def test_the_order_and_the_rounding_of_additions_count():
    """2**24 + 1 + 1 in ascending order stays 2**24; in any other order it is 2**24 + 2."""
    op = BlockMatMul(block=1, max_exp=24, acc=INT32, datapath=FLOAT)
    e = np.array([[24], [0], [0]]) + 127
    ins = [np.ones((1, 3), np.int8), np.ones((3, 1), np.int8)]
    for order, want in (([0, 1, 2], 1 << 24), ([1, 2, 0], (1 << 24) + 2), ([1, 0, 2], 1 << 24)):
        scales = QTensor(QType((3, 1), E8M0, 1.0, 127), e[order].astype(np.uint8))
        p = Product(op, [QTensor(QType(x.shape, INT8), x) for x in ins] + [scales])
        graph, given, expected = built(p)
        assert expected.tolist() == [[want]]
        check_engines(graph, given, {"y": expected})


def test_integers_become_floats_by_one_rounding():
    """2**54 + 2**30 + 1 rounds up; through a double, which holds 53 bits, it would tie and go down."""
    number = (1 << 54) + (1 << 30) + 1
    assert nearest_float32(Fraction(number)) != Fraction(float32(float(number)))
    a, b = np.array([[1 << 27, 1]], np.uint32), np.array([[(1 << 27) + 8], [1]], np.uint32)  # number = a @ b
    x, w = (QTensor(QType(m.shape, UINT32), m) for m in (a, b))
    scales = QTensor(QType((1, 1), UINT8), np.ones((1, 1), np.uint8))
    p = Product(BlockMatMul(block=2, acc=INT48, lsb_exp=20, datapath=FLOAT), [x, w, scales])
    graph, given, want = built(p)
    assert want.item() == (1 << 34) + (1 << 11)
    check_engines(graph, given, {"y": want})


@pytest.mark.parametrize("inputs", [(0, 2, 3), (0, 3)])
@pytest.mark.parametrize("lsb_exp", [-124, -110, -60, 3])
def test_subnormals_and_every_exponent_of_e8m0(inputs, lsb_exp):
    """Contributions round to subnormals of 2**-149 and vanish below them."""
    p = case(1, FP4_E2M1, FP4_E2M1, E8M0, E8M0, spread=127, lsb_exp=lsb_exp, max_exp=100, inputs=inputs, datapath=FLOAT)
    graph, given, want = built(p)
    check_engines(graph, given, {"y": want})


@pytest.mark.parametrize("inputs", [(0, 2, 3), (0, 3)])
def test_sums_of_subnormals(inputs):
    """All exponents between -165 and -120, so that the smallest steps decide codes."""
    for seed in range(4):
        p = case(seed, FP6_E2M3, FP6_E2M3, E8M0, E8M0, spread=12, lsb_exp=-120, max_exp=-116, inputs=inputs, block=4,
                 datapath=FLOAT)  # fmt: skip
        for tensor in (p.ins[2], p.ins[3]):
            tensor.codes[:] -= 70
        graph, given, want = built(p)
        assert len(set(want.flat)) > 8
        check_engines(graph, given, {"y": want})


def test_exponents_past_max_exp_enter_with_max_exp():
    p = product("mxfp4", max_exp=1, inputs=(0, 2, 3), acc=INT48)
    p.inputs = (0, 2, 3)
    graph, given, want = built(p)
    p.op = replace(p.op, max_exp=8)
    assert (want != np.array(p.expected(), object)).any()
    check_engines(graph, given, {"y": want})


def test_results_saturate_ties_go_to_even():
    b = np.array([[3, 1, -3, 5, 7, -8, 127, -128]], np.int8)
    scales = QTensor(QType((1, 8), UINT8), np.ones((1, 8), np.uint8))
    for lsb_exp, acc in ((1, INT8), (1, IntFormat("int5", 5)), (3, INT4), (-3, INT8)):
        ins = [QTensor(QType((1, 1), INT8), np.ones((1, 1), np.int8)), QTensor(QType((1, 8), INT8), b), scales]
        p = Product(BlockMatMul(block=1, acc=acc, lsb_exp=lsb_exp, datapath=FLOAT), ins)
        graph, given, want = built(p)
        exact = [round(Fraction(int(w)) / Fraction(2) ** lsb_exp) for w in b[0]]
        assert want.tolist() == [[min(max(w, acc.min_int), acc.max_int) for w in exact]]
        check_engines(graph, given, {"y": want})


@pytest.mark.parametrize(("name", "lsb_exp"), WIDE)
def test_float32_differs_from_the_exact_sum(name, lsb_exp):
    """Else the tests above would show nothing."""
    p = product(name, shape=(6, 200, 6), acc=INT48, lsb_exp=lsb_exp)
    floats = p.expected()
    p.op = replace(p.op, datapath=BlockMatMul().datapath, acc=INT64)
    assert floats != p.expected()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_is_clean_and_says_that_it_uses_float(compiler):
    sanitized = ("-O1", *STRICT, *SANITIZERS)
    fast = ("-O3", *STRICT, "-march=native") if compiler == "gcc" else ("-O3", *STRICT)
    for name, more in (("mxfp4", {}), ("nvfp4", {}), ("mxfp6", {"spread": 80, "max_exp": 60})):
        graph, given, want = built(product(name, **more))
        for flags in (fast, sanitized) if compiler == "gcc" else (fast,):
            assert_same(want, compile_and_run(graph, given, compilers()[compiler], flags, trace=False)["y"])
        text = next(t for n, t in emit_c(graph).items() if n.endswith(".c") and "_data" not in n)
        assert "/* sums in float32, in ascending order of the blocks" in text
        assert "FLT_EVAL_METHOD" in text


def test_types():
    b, scales = t(64, 3, fmt=FP4_E2M1), t(2, 3, fmt=E8M0, zero=127)
    ins = t("N", 64), b, scales
    refuses(BlockMatMul(datapath=FLOAT, rounding="floor"), ins, "'floor'", "half_even")
    refuses(BlockMatMul(datapath=FLOAT, acc=INT64), ins, "64 bits", "62")
    refuses(BlockMatMul(datapath=FLOAT, lsb_exp=-126), ins, "lsb of 2**-127", "-126..126")
    refuses(BlockMatMul(datapath=FLOAT, max_exp=129), ins, "2**128", "-252..127")
    overflows(BlockMatMul(datapath=FLOAT, max_exp=120), ins, "infinity", "2**119", "lower max_exp")
    wide = t(64, fmt=INT64), t(64, 3, fmt=FP4_E2M1), scales
    overflows(BlockMatMul(datapath=FLOAT), wide, "2**61", "narrower")
    exact, floats = (BlockMatMul(datapath=d, lsb_exp=3).out_type(*ins) for d in (BlockMatMul().datapath, FLOAT))
    assert exact == floats


def test_the_file_keeps_it(tmp_path):
    graph, _ = product("mxfp4").build()
    save(graph, tmp_path / "g.qg")
    assert load(tmp_path / "g.qg").nodes[0].op == graph.nodes[0].op
    assert graph.nodes[0].op.datapath == FLOAT
