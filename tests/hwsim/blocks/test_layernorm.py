"""Layer norm in integers: equal to Python's integers, near float64, no value of a row lost."""

import numpy as np
import pytest

from hwsim import CONTRACTS, FP8_E4M3, INT8, INT16, INT32, INT48, UINT8, Graph, QType, simulate
from hwsim.blocks import LayerNorm
from hwsim.rounding import ROUNDINGS
from tests.compare import assert_refused, assert_same
from tests.hwsim.blocks.norms import OUT, check, graph, rows
from tests.oracles.blocks import NormOracle

WORD = QType((), INT16, 2.0**-11)
LOW, HIGH = QType((), INT8, 2.0**-7), QType((), INT16, 2.0**-12)
RNG = np.random.default_rng(9)
AFFINE = {"weight": RNG.normal(0.4, 1, 16), "bias": RNG.normal(0, 1, 16)}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
@pytest.mark.parametrize(("fmt", "zero"), [(INT8, 5), (INT8, -128), (UINT8, 200), (INT16, 0), (INT16, -77)], ids=str)
def test_codes_are_pythons(contract, fmt, zero):
    scale = 2.0**-8 if contract.name == "pow2" else 0.00713
    check(LayerNorm(), rows(fmt, 16, zero), "c", fmt=fmt, zero=zero, scale=scale, contract=contract, **AFFINE)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_roundings(rounding):
    check(LayerNorm(), rows(INT16, 16), "c", out=WORD, rounding=rounding, **AFFINE)


@pytest.mark.parametrize("n", [1, 2, 3, 64, 768, 4096])
def test_lengths(n):
    g = check(
        LayerNorm(),
        rows(INT16, n, count=12 if n < 4096 else 7),
        *(["c", "ort"] if n != 4096 else ["c"]),
        scale=0.001,
        out=WORD,
    )
    by_name = {v.name: v.type.fmt for v in g.values()}
    assert by_name["y.squares"] in (INT32, INT48)
    assert by_name["y.v"] == (INT32 if n <= 3 else INT48)  # 3 * 49151**2 * 2**-4 < 2**31


def test_int8_rows_of_4096():
    check(LayerNorm(), rows(INT8, 4096, 9, 7), fmt=INT8, zero=9, scale=0.02)


WIDTHS = [LayerNorm(width=w, mantissa=m) for w, m in ((4, 2), (8, 9), (12, 5), (15, 12), (16, 16), (16, 4))]


@pytest.mark.parametrize("block", WIDTHS, ids=str)
def test_other_widths(block):
    check(block, rows(INT16, 16), *(["c", "ort"] if block.mantissa < 16 else []), out=WORD, **AFFINE)


def test_on_every_engine():
    for scale, n, out in ((2.0**-8, 5, OUT), (0.013, 12, WORD)):
        check(
            LayerNorm(),
            rows(INT16, n),
            "c",
            "ort",
            "onnx_reference",
            scale=scale,
            out=out,
            weight=np.linspace(-1, 2, n),
        )


@pytest.mark.parametrize("eps", [1e-30, 1e-12, 1e-3, 1.0, 1e6])
def test_eps(eps):
    x = rows(INT16, 16)
    g = check(LayerNorm(), x, "c", eps=eps, **AFFINE)
    y = simulate(g, {"x": x})["y"]
    want = np.clip(np.rint(AFFINE["bias"] * 2**5) + 3, -128, 127)
    if eps >= 1e6:  # everything is small beside it
        assert np.abs(y[0] - want).max() <= 1
    for constant in range(3):
        assert_same(want, y[constant])


HARD = {
    "negative": (-np.ones(16), None),
    "one zero": (np.where(np.arange(16) == 3, 0.0, 1.0), np.full(16, 0.25)),
    "all zero": (np.zeros(16), np.linspace(-1, 1, 16)),
    "both zero": (np.zeros(16), np.zeros(16)),
    "bias alone": (None, np.linspace(-3, 3, 16)),
    "small beside its bias": (np.full(16, 0.1), np.linspace(-1, 1, 16)),
    "tiny beside its bias": (np.full(16, 1e-9), np.linspace(-1, 1, 16)),
    "nothing beside its bias": (np.full(16, 1e-30), np.linspace(-1, 1, 16)),
    "one outlier": (np.where(np.arange(16) == 3, 100.0, 0.5), None),
    "huge bias": (np.ones(16), np.where(np.arange(16) == 3, 1e6, 0.5)),
}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
@pytest.mark.parametrize("name", HARD)
def test_hard_parameters(name, contract):
    weight, bias = HARD[name]
    given = {k: v for k, v in (("weight", weight), ("bias", bias)) if v is not None}
    x = rows(INT16, 16)
    g = check(LayerNorm(), x, contract=contract, out=LOW, **given)
    if bias is not None:
        top = float(np.abs(bias).max()) / 2**14  # the step that a large bias gives the weights, see `affine`
        constant = simulate(g, {"x": x})["y"][0]
        assert np.abs(constant - np.clip(bias * 2**7, -128, 127)).max() <= 0.5 + top * 2**-7


def exact_norm(x, scale, eps=1e-5):
    d = scale * (x.astype(float) - x.mean(-1, keepdims=True))
    return d / np.sqrt(np.square(d).mean(-1, keepdims=True) + eps)


@pytest.mark.parametrize("n", [64, 192, 768])
def test_near_float64(n):
    """The root is off by 2**-10, relatively; u by half a step, sqrt(n) * 2**-16; d by half a step, 2 codes of x."""
    rng = np.random.default_rng(n)
    x = rng.normal(0, 2000, (200, n))
    x = np.clip(np.rint(x), -32768, 32767).astype(np.int16)
    g = graph(LayerNorm(), n=n, out=HIGH)
    want, got = exact_norm(x, 2.0**-8), simulate(g, {"x": x})["y"] * 2.0**-12
    codes_of_d = 2.0 ** (NormOracle(lsb=1, out_scale=1).shift(n) - 1) / n
    assert codes_of_d <= 2
    bound = (
        np.abs(want) * 1.1 * 2.0**-10 + np.sqrt(n) * 2.0**-16 + 1.01 * codes_of_d / x.std(-1, keepdims=True) + 2.0**-13
    )
    assert (np.abs(got - want) < bound).all()
    db = 10 * np.log10(np.square(want).sum() / np.square(want - got).sum())
    assert db > 62, f"{db:.1f} dB"


def test_one_channel_two_hundred_times_as_large_costs_the_rest_few_bits():
    """The residual stream of a post-norm transformer: the outlier sets u's scale, the rest keeps 1 / 200 of it."""
    rng = np.random.default_rng(2)
    x = rng.normal(0, 80, (200, 384))
    x[:, 7] = 200 * 80
    x = np.rint(x).astype(np.int16)
    got = simulate(graph(LayerNorm(), n=384, out=HIGH), {"x": x})["y"] * 2.0**-12
    want = exact_norm(x, 2.0**-8)
    others = np.arange(384) != 7
    db = 10 * np.log10(np.square(want[:, others]).sum() / np.square((want - got)[:, others]).sum())
    assert db > 40, f"{db:.1f} dB"
    narrow = simulate(
        graph(LayerNorm(), INT8, 384, 2.0, out=HIGH), {"x": np.clip(np.rint(x / 512), -128, 127).astype(np.int8)}
    )
    lost = 10 * np.log10(np.square(want[:, others]).sum() / np.square((want - narrow["y"] * 2.0**-12)[:, others]).sum())
    assert lost < 3, "INT8 holds the outlier and nothing else: that is why the stream is INT16"


def test_rows_of_more_axes():
    g = Graph("axes")
    x = g.input("x", QType(("N", 3, 2, 8), INT16, 0.01))
    g.output(LayerNorm()(g, x, OUT, name="y"))
    codes = rows(INT16, 8).reshape(2, 3, 2, 8)
    flat = simulate(graph(LayerNorm(), n=8, scale=0.01), {"x": codes.reshape(12, 8)})["y"]
    assert_same(flat.reshape(codes.shape), simulate(g, {"x": codes})["y"])


def test_refusals():
    for eps in (0, -1e-5, float("nan"), float("inf")):
        assert_refused(lambda eps=eps: graph(LayerNorm(), eps=eps), "eps", repr(eps), "> 0")
    assert_refused(lambda: graph(LayerNorm(), eps=1e30), "eps", "64 bits")
    for what in ("weight", "bias"):
        assert_refused(lambda what=what: graph(LayerNorm(), **{what: np.ones(15)}), what, "(15,)", "16")
    assert_refused(lambda: graph(LayerNorm(), out=QType((), FP8_E4M3)), "fp8_e4m3")
    assert_refused(lambda: graph(LayerNorm(), out=QType((2,), INT8, (0.1, 0.2), axis=0)), "2 constants")
    g = Graph("channels")
    assert_refused(lambda: LayerNorm()(g, g.input("x", QType(("N", 2), INT8, (0.1, 0.2), axis=1)), OUT), "per-channel")
    assert_refused(lambda: LayerNorm()(g, g.input("v", QType(("N",), INT8)), OUT), "('N',)", "(.., n)")
    assert_refused(lambda: LayerNorm(width=3), "width 3", "4..16")
    assert_refused(lambda: LayerNorm(width=17), "width 17")
    assert_refused(lambda: LayerNorm(mantissa=1), "mantissa 1", "2..16")
    assert_refused(lambda: graph(LayerNorm(mantissa=16), eps=1e12), "16 bits take < 2**48")
