import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, INT48, INT64, TERNARY, UINT4, UINT8, Graph, QTensor, QType, simulate
from hwsim.blockformats import BLOCK_FORMATS, MXFP4, NVFP4, UINT4_G32, quantize_blocks
from hwsim.formats import E8M0, FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, FP8_E5M2
from hwsim.ops import BlockMatMul
from hwsim.ranges import Interval
from hwsim.rounding import ROUNDINGS
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.block_products import Product, case
from tests.oracles.one_op import overflows, refuses, t

EXPONENTS = {"lsb_exp": -8, "max_exp": 8, "acc": INT48}
SIDES = {
    "mxfp4": (FP4_E2M1, FP4_E2M1, E8M0, E8M0, EXPONENTS),
    "mxfp6": (FP6_E2M3, FP6_E3M2, E8M0, E8M0, EXPONENTS),
    "mxfp8": (FP8_E4M3, FP8_E4M3, E8M0, E8M0, {"lsb_exp": -2, "max_exp": 8, "acc": INT64}),
    "mxfp8 e5m2 weights": (FP8_E4M3, FP8_E5M2, E8M0, E8M0, {"lsb_exp": 4, "max_exp": 4, "acc": INT64, "spread": 2}),
    "mxint8": (INT8, INT8, E8M0, E8M0, EXPONENTS),
    "nvfp4": (FP4_E2M1, FP4_E2M1, FP8_E4M3, FP8_E4M3, {"acc": INT64}),
    "nvfp4 to 32 bits": (FP4_E2M1, FP4_E2M1, FP8_E4M3, FP8_E4M3, {"lsb_exp": 26}),
    "nvfp4 with mxfp4": (FP4_E2M1, FP4_E2M1, FP8_E4M3, E8M0, {"lsb_exp": -4, "max_exp": 4, "acc": INT48}),
    "int8 with mxfp4": (INT8, FP4_E2M1, E8M0, None, {"lsb_exp": -4, "max_exp": 4}),
    "int8 with mxfp4, rounded": (INT8, FP4_E2M1, E8M0, None, {"lsb_exp": 2, "max_exp": 4}),
    "int8 with mxfp8": (INT8, FP8_E5M2, E8M0, None, {"lsb_exp": -4, "max_exp": 4, "acc": INT64}),
    "int8 with nvfp4": (INT8, FP4_E2M1, FP8_E4M3, None, {"acc": INT48}),
    "int8 with int4": (INT8, INT4, UINT8, None, {}),
    "int8 with int4, rounded": (INT8, INT4, UINT8, None, {"lsb_exp": 9, "acc": INT16}),
    "int8 with int4, raised": (INT8, INT4, UINT8, None, {"lsb_exp": -3}),
    "int8 with uint4": (INT8, UINT4, UINT8, None, {"zeros": UINT4}),
    "int8 with uint4, e8m0": (INT8, UINT4, E8M0, None, {"zeros": UINT4, "lsb_exp": 1, "max_exp": 4}),
    "mxfp8 with uint4": (FP8_E4M3, UINT4, FP8_E4M3, E8M0, {"zeros": UINT4, "lsb_exp": 12, "max_exp": 4, "acc": INT64}),
    "int16 with ternary": (INT16, TERNARY, E8M0, None, {"lsb_exp": -4, "max_exp": 4}),
}


def product(name, seed=0, **more):
    fa, fb, right, left, fields = SIDES[name]
    return case(seed, fa, fb, right, left, **fields | more)


def on_every_engine(p: Product):
    graph, given = p.build()
    want = np.array(p.expected(), object)
    reach = graph.reach["y"]
    assert reach.lo <= want.min()
    assert want.max() <= reach.hi
    check_engines(graph, given, {"y": want})


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("where", ["constant weights", "all are inputs"])
def test_every_pairing_on_every_engine(name, where):
    p = product(name)
    if where == "all are inputs":
        p.inputs = tuple(range(len(p.ins)))
        if max(t.type.fmt.bits for t in p.ins[:2]) > 8 or name in ("mxfp8", "mxfp8 e5m2 weights", "int8 with mxfp8"):
            p.inputs = (0, *range(2, len(p.ins)))  # without the codes the proof would not fit
    elif p.op.left:
        p.inputs = (0, 3)
    on_every_engine(p)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("lsb_exp", [-6, 3, 11, 40])
def test_every_rounding_on_every_engine(rounding, lsb_exp):
    on_every_engine(product("mxfp4", seed=abs(lsb_exp), rounding=rounding, lsb_exp=lsb_exp, inputs=(0, 3)))


@pytest.mark.parametrize("seed", range(60))
def test_fuzz_against_python_integers(seed):
    """All pairings, shapes and blocks, numpy and numba, bounds included."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(d) for d in rng.integers(1, [6, 70, 6]))
    rounding, block = ROUNDINGS[seed % 5], int(rng.choice([1, 3, 16, 32]))
    for name in SIDES:
        p = product(name, seed, shape=shape, rounding=rounding, block=block)
        p.inputs = (0, 3) if p.op.left else (0,)
        graph, given = p.build()
        want = p.expected()
        for engine in ("numpy", "numba"):
            assert_same(want, simulate(graph, given, engine=engine)["y"], what=f"{name} {engine}")
        reach = graph.reach["y"]
        assert reach.lo <= np.min(want) <= np.max(want) <= reach.hi, name


@pytest.mark.parametrize("inputs", [(0, 2, 3), (0, 3)])
def test_all_exponents_of_e8m0(inputs):
    """Codes 0 and 254 on both sides: far below the lsb, and past max_exp where the exponent saturates."""
    p = case(1, FP4_E2M1, FP4_E2M1, E8M0, E8M0, spread=127, lsb_exp=-20, max_exp=12, acc=INT64, inputs=inputs)
    on_every_engine(p)
    for rounding in ROUNDINGS:
        q = case(
            2, FP4_E2M1, FP4_E2M1, E8M0, E8M0, spread=127, lsb_exp=12, max_exp=12, rounding=rounding, inputs=inputs
        )
        on_every_engine(q)


def test_exponents_past_max_exp_where_nothing_is_rounded():
    """What BLAS could add exactly, were it not for the saturating exponents."""
    on_every_engine(product("mxfp4", max_exp=1, inputs=(0, 3)))
    on_every_engine(product("int8 with mxfp4", max_exp=1, inputs=(0, 2)))


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_wide_dot_products_far_below_the_lsb(rounding):
    """Dot products of 50 bits shifted right by 30 to 80."""
    on_every_engine(case(3, INT16, FP8_E5M2, E8M0, spread=25, lsb_exp=55, max_exp=25, rounding=rounding, acc=INT48))


def test_sums_past_2_to_the_53():
    """NVFP4 times NVFP4 with the largest scales: int64 in ONNX, in two halves; the last bit is the first block's."""
    p = product("nvfp4", shape=(2, 2048, 2))
    for tensor in (p.ins[0], p.ins[1]):
        tensor.codes[:] = 7
    p.ins[2].codes[:], p.ins[3].codes[:] = 0x7E, 0x7E
    p.ins[0].codes[:, 1:16], p.ins[0].codes[:, 0], p.ins[1].codes[0] = 0, 1, 1
    p.ins[3].codes[:, 0], p.ins[2].codes[0] = 1, 1
    p.inputs = (0, 3)
    assert p.expected()[1][1] > 1 << 53
    assert p.expected()[1][1] % 2 == 1
    on_every_engine(p)


def test_wide_ranks_and_a_fused_requant():
    from hwsim.contracts import Dyadic16
    from hwsim.ops import Requant

    p, graph = product("mxfp4", shape=(6, 37, 6)), Graph("ranks")
    a, s = p.ins[0], p.ins[3]
    x = graph.input("x", QType(("N", 2, 37), FP4_E2M1, 0.5))
    e = graph.input("e", QType(("N", 2, 3), E8M0, 1.0, 127))
    w, ws = (graph.constant(f"c{i}", p.ins[i]) for i in (1, 2))
    y = graph.add(p.op, x, w, ws, e, name="y")
    graph.output(graph.add(Requant.to(QType((), INT8, 2.0), y.type, Dyadic16), y, name="q"))
    want = np.array(p.expected(), object).reshape(3, 2, 6)
    check_engines(graph, {"x": a.codes.reshape(3, 2, 37), "e": s.codes.reshape(3, 2, 3)}, {"y": want})


def test_a_vector_and_an_unbatched_matrix():
    p, graph = product("int8 with uint4", shape=(1, 37, 6)), Graph("vector")
    x = graph.constant("x", QTensor(QType((37,), INT8, 0.5, 3), p.ins[0].codes[0]))
    rest = [graph.input(f"in{i}", t.type) for i, t in enumerate(p.ins[1:])]
    graph.output(graph.add(p.op, x, *rest, name="y"))
    check_engines(graph, {f"in{i}": t.codes for i, t in enumerate(p.ins[1:])}, {"y": np.array(p.expected()[0])})


@pytest.mark.parametrize("fmt", BLOCK_FORMATS.values(), ids=lambda f: f.name)
def test_real_numbers_are_those_of_the_dequantized_tensors(fmt):
    """`exact` shifts nothing out: codes times the declared scale are x @ w in reals, on weights cut into blocks."""
    rng = np.random.default_rng(0)
    w = quantize_blocks(rng.normal(size=(100, 4)) * np.exp(rng.normal(size=(100, 4))), fmt, axis=0)
    x = QTensor(QType((3, 100), INT8, 0.25, 3), rng.integers(-128, 128, (3, 100)).astype(np.int8))
    p = Product(BlockMatMul.exact(w, acc=INT64), [x, *w.parts])
    graph, given = p.build()
    y = graph.outputs[0].type
    got = QTensor(y, simulate(graph, given)["y"]).dequantize()
    want = x.dequantize() @ w.dequantize()
    assert np.abs(got - want).max() <= (0 if fmt.base != "channel" else 1e-12 * np.abs(want).max())


def test_exact_with_exponents_on_the_left():
    w = quantize_blocks(np.random.default_rng(0).normal(size=(64, 4)), MXFP4, axis=0)
    low, high = int(w.scales.to_int().min()), int(w.scales.to_int().max())
    op = BlockMatMul.exact(w, left=Interval(-5, 3))
    assert (op.lsb_exp, op.max_exp, op.block, op.left, op.zeros) == (low - 5, high + 3, 32, True, False)
    assert BlockMatMul.exact(quantize_blocks(np.ones((32, 1)), UINT4_G32, axis=0)).zeros
    assert BlockMatMul.exact(quantize_blocks(np.ones((32, 1)), NVFP4, axis=0)).block == 16


def test_the_bound_is_reached():
    """Weights that all help: the proof is tight, one bit less would overflow."""
    p = case(0, INT8, INT4, UINT8, shape=(2, 32, 1), zero=0)
    p.ins[0].codes[:] = np.where(p.ins[1].codes[:, 0] < 0, -128, 127)
    graph, _ = p.build()
    assert graph.reach["y"].hi == p.expected()[0][0]


def scale(*shape, fmt=E8M0, **more):
    return t(*shape, fmt=fmt, **({"zero": 127} if fmt == E8M0 else {}) | more)


def test_refusals():
    op, two = BlockMatMul(block=16), BlockMatMul(block=16, left=True)
    a, b = t("N", 40), t(40, 3, fmt=FP4_E2M1)
    refuses(op, (t("N", 41), b, scale(3, 3)), "('N', 41) @ (40, 3)")
    refuses(op, (t("N"), t("N", 3), scale(3, 3)), "('N',) @ ('N', 3)")
    refuses(op, (a, b, scale(2, 3)), "(2, 3)", "3 blocks of 16", "(3, 3)")
    refuses(two, (a, b, scale(3, 3), scale("N", 2)), "('N', 2)", "('N', 3)")
    refuses(two, (a, b, scale(3, 3)), "3 inputs", "take 4")
    refuses(BlockMatMul(block=16, zeros=True), (a, b, scale(3, 3), t(3, 3, fmt=FP4_E2M1)), "fp4_e2m1", "integers")
    refuses(op, (a, t(40, 3, zero=1), scale(3, 3)), "zero_point 1")
    refuses(op, (a, b, t(3, 3, fmt=E8M0)), "e8m0", "zero_point 0", "127")
    refuses(op, (a, b, t(3, 3, fmt=UINT8, zero=1)), "uint8", "zero_point 1")
    refuses(BlockMatMul(block=16, max_exp=-1), (a, b, t(3, 3, fmt=UINT8)), "max_exp -1", "e8m0")
    refuses(op, (a, b, t(3, 3, fmt=UINT8, scale=(1.0,) * 3, axis=0)), "axis 0", "columns")
    refuses(two, (a, b, scale(3, 3), t("N", 3, fmt=UINT8, scale=(1.0,) * 3, axis=1)), "axis 1", "columns")
    refuses(op, (t(2, 40, scale=(1.0, 2.0), axis=0), b, scale(3, 3)), "per-channel")
    for fields, culprits in (
        ({"block": 0}, ("block 0",)),
        ({"lsb_exp": -40, "max_exp": 30}, ("-40", "30")),
        ({"rounding": "up"}, ("'up'",)),
    ):
        with pytest.raises(ValueError, match=r"block_matmul|rounding") as e:
            BlockMatMul(**fields)
        assert all(c in str(e.value) for c in culprits)


def test_overflows():
    b = t(64, 3, fmt=FP4_E2M1)
    overflows(BlockMatMul(lsb_exp=-20), (t(64), b, scale(2, 3)), "int32")
    overflows(BlockMatMul(lsb_exp=-60), (t(64), b, scale(2, 3)), "lower max_exp")
    e5m2 = t(64, 3, fmt=FP8_E5M2)
    overflows(BlockMatMul(acc=INT64), (t(64, fmt=FP8_E5M2), e5m2, scale(2, 3)), "2**61", "narrower")
    p = product("int8 with mxfp4", max_exp=3)
    with pytest.raises(ValueError, match="constant scales reach exponent 4, max_exp is 3"):
        p.build()


def test_per_channel_scales_multiply():
    s = t(2, 3, fmt=UINT8, scale=(1.0, 2.0, 4.0), axis=1)
    out = BlockMatMul(lsb_exp=1).out_type(t("N", 64, scale=0.5), t(64, 3, fmt=FP4_E2M1), s)
    assert out == QType(("N", 3), INT32, (0.5, 1.0, 2.0), axis=1)
    nv = BlockMatMul(block=16, left=True).out_type(
        t("N", 16, fmt=FP4_E2M1),
        t(16, 3, fmt=FP4_E2M1),
        t(1, 3, fmt=FP8_E4M3, scale=0.5),
        t("N", 1, fmt=FP8_E4M3, scale=4.0),
    )
    assert nv.scale == 2.0 * 2.0**-18 / 4
