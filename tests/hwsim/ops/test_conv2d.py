import numpy as np
import pytest

from hwsim import (
    FP4_E2M1,
    FP8_E4M3,
    INT4,
    INT8,
    INT16,
    INT24,
    INT32,
    INT64,
    UINT8,
    Dyadic16,
    Graph,
    QTensor,
    QType,
    simulate,
)
from hwsim.ops import Conv2d, Requant
from hwsim.ops.datapath import Datapath
from tests.compare import assert_refused, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import batch, codes, refuses, run, t, tensor
from tests.oracles.onnx_models import reference, runtime


def python_conv(op, x, w, zero, bias):
    """One multiplication at a time; outside the image is the zero point's code."""
    (n, h, wd, _), (o, kh, kw, per_group) = x.shape, w.shape
    (top, bottom), (left, right) = op.padding
    oh = (h + top + bottom - op.dilation[0] * (kh - 1) - 1) // op.stride[0] + 1
    ow = (wd + left + right - op.dilation[1] * (kw - 1) - 1) // op.stride[1] + 1
    y = np.zeros((n, oh, ow, o), object)
    for b, i, j, c in np.ndindex(y.shape):
        total, first = int(bias[c]), c // (o // op.groups) * per_group
        for p, q, k in np.ndindex(kh, kw, per_group):
            r = i * op.stride[0] - top + p * op.dilation[0]
            s = j * op.stride[1] - left + q * op.dilation[1]
            inside = 0 <= r < h and 0 <= s < wd
            total += int(w[c, p, q, k]) * (int(x[b, r, s, first + k]) if inside else zero)
        y[b, i, j, c] = total
    return y.astype(np.int64)


SHAPES = {  # input channels, output channels, fields
    "1x1": (3, 4, {"kernel": (1, 1)}),
    "3x3": (3, 4, {"kernel": (3, 3)}),
    "same": (2, 3, {"kernel": (3, 3), "padding": ((1, 1), (1, 1))}),
    "uneven": (2, 3, {"kernel": (2, 3), "stride": (2, 1), "padding": ((0, 1), (2, 0))}),
    "dilated": (2, 2, {"kernel": (2, 3), "dilation": (3, 2), "padding": ((1, 0), (0, 1))}),
    "strided": (1, 2, {"kernel": (3, 2), "stride": (2, 3)}),
    "grouped": (4, 6, {"kernel": (3, 3), "groups": 2, "padding": ((1, 1), (1, 1))}),
    "depthwise": (5, 5, {"kernel": (3, 3), "groups": 5, "stride": (2, 2), "padding": ((1, 1), (1, 1))}),
    "multiplier": (3, 6, {"kernel": (2, 2), "groups": 3}),
    "whole image": (2, 3, {"kernel": (6, 7)}),
}


def case(name, seed=0):
    cin, cout, fields = SHAPES[name]
    op, rng = Conv2d(**fields), np.random.default_rng(seed)
    x = rng.integers(-128, 128, (2, 6, 7, cin))
    w = rng.integers(-128, 128, (cout, *op.kernel, cin // op.groups))
    return op, x, w, rng.integers(-5000, 5000, cout)


@pytest.mark.parametrize("zero", [0, -7, 127])
@pytest.mark.parametrize("name", SHAPES)
def test_the_definition_by_python_integers(name, zero):
    op, x, w, bias = case(name)
    ins = [batch(x, INT8, 0.5, zero), tensor(w, INT8, 0.25), tensor(bias, INT24, 0.125)]
    want = python_conv(op, x, w, zero, bias)
    assert_same(want, codes(op, *ins, constant=(1, 2)))
    if zero == 0:
        assert_same(want - bias, codes(op, *ins[:2], constant=(1,)))


@pytest.mark.parametrize("run_model", [reference, runtime], ids=["reference", "onnxruntime"])
@pytest.mark.parametrize("name", SHAPES)
def test_conv_integer_of_onnx(name, run_model):
    """Zero point folded into the bias, as the lowering does it; u8 x u8 is exact on every CPU."""
    op, x, w, _ = case(name, 1)
    xz, wz = 131, 119
    given = {
        "x": (x + 128).astype(np.uint8).transpose(0, 3, 1, 2),
        "w": (w + 128).astype(np.uint8).transpose(0, 3, 1, 2),
        "xz": np.uint8(xz),
        "wz": np.uint8(wz),
    }
    (top, bottom), (left, right) = op.padding
    attrs = {"strides": op.stride, "dilations": op.dilation, "group": op.groups, "pads": [top, left, bottom, right]}
    want = run_model("ConvInteger", given, "int32", kernel_shape=list(op.kernel), **attrs).transpose(0, 2, 3, 1)
    bias = -xz * (w + 128 - wz).sum((1, 2, 3))
    ins = batch(x + 128, UINT8, 1.0, xz), tensor(w + 128, UINT8, 1.0, wz), tensor(bias, INT32)
    assert_same(want, codes(op, *ins, constant=(1, 2)))


def test_per_channel_scales_and_zero_points():
    op, x, w, bias = case("same")
    zero, scale = np.array([3, -128, 127]), (0.5, 0.25, 2.0)
    ins = batch(x, INT8, 0.5), tensor(w, INT8, scale, tuple(zero.tolist()), axis=0)
    y = run(op, *ins, tensor(bias, INT24, tuple(0.5 * s for s in scale), axis=0), constant=(1, 2))
    assert_same(python_conv(op, x, w - zero[:, None, None, None], 0, bias), y.codes)
    assert y.type == QType(("N", 6, 7, 3), INT32, (0.25, 0.125, 1.0), axis=3)


def test_padding_counts_in_the_reach():
    """The input never takes its zero point here; the border does."""
    g = Graph()
    x = g.input("x", t("N", 2, 2, 1, zero=-100))
    op = Requant(contract=Dyadic16.of(1.0), scale=1.0, zero_point=-100, lo=5, hi=9)
    w = g.constant("w", tensor(np.ones((1, 3, 3, 1))))
    start = g.constant("b", tensor(np.zeros(1), INT32))
    conv = Conv2d(kernel=(3, 3), padding=((2, 2), (2, 2)))
    g.output(g.add(conv, g.add(op, x), w, start, name="y"))
    y = simulate(g, {"x": np.full((1, 2, 2, 1), -128)})["y"]
    assert y.min() == -800 + 5
    assert g.reach["y"].lo <= y.min()


def test_products_of_floats():
    x, w = np.arange(16).reshape(1, 4, 4, 1), np.arange(16).reshape(16, 1, 1, 1)
    y = run(Conv2d(kernel=(1, 1)), batch(x, FP4_E2M1), tensor(w, FP4_E2M1), constant=(1,))
    values = gfloat_values(FP4_E2M1)
    assert_same(values[x] * values[w.ravel()], y.dequantize())


@pytest.mark.parametrize("k", [1023, 1024, 1999])
def test_sums_around_what_float32_holds(k):
    x, w = np.full((1, 1, 1, k), -128), np.full((1, 1, 1, k), -128)
    x[..., 0] = w[..., 0] = 127
    got = codes(Conv2d(kernel=(1, 1), acc=INT64), batch(x), tensor(w), constant=(1,))
    assert got.item() == 127 * 127 + (k - 1) * 128 * 128


def test_refusals():
    x, w, op = t("N", 6, 7, 2), t(3, 3, 3, 2), Conv2d(kernel=(3, 3))
    refuses(op, (t(6, 7, 2), w), "(6, 7, 2)", "(N, H, W, C)")
    refuses(op, (t(1, 6, 7, 2), w), "(1, 6, 7, 2)")
    refuses(op, (x, t(3, 2, 3, 2)), "(3, 2, 3, 2)", "(O, 3, 3, C / groups)")
    refuses(op, (x, t(3, 3, 3, 1)), "1 groups of 2 channels", "(3, 3, 3, 1)")
    refuses(Conv2d(kernel=(3, 3), groups=2), (x, t(3, 3, 3, 1)), "2 groups")
    refuses(Conv2d(kernel=(3, 3), groups=0), (x, w), "0 groups")
    refuses(Conv2d(kernel=(3, 3), stride=(0, 1)), (x, w), "stride=(0, 1)")
    refuses(Conv2d(kernel=(3, 3), padding=((-1, 0), (0, 0))), (x, w), "-1")
    refuses(Conv2d(kernel=(7, 3)), (x, t(3, 7, 3, 2)), "(7, 3)", "(6, 7)")
    refuses(op, (t("N", 6, 7, 2, zero=5), w), "zero_point 5", "bias")
    refuses(op, (x, t(3, 3, 3, 2, scale=(1.0, 2.0), axis=3)), "axis 3")
    refuses(op, (t("N", 6, 7, 2, scale=(1.0, 2.0), axis=3), w), "per-channel")
    refuses(op, (x, w, t(2, fmt=INT32)), "(2,)", "(3,)")
    refuses(op, (x, w, t(3, fmt=INT32, scale=0.5)), "scale")
    with pytest.raises(ValueError, match="constants"):
        codes(op, batch(np.zeros((1, 6, 7, 2))), tensor(np.zeros((3, 3, 3, 2))))
    pixel, weight = batch(np.zeros((1, 1, 1, 3))), tensor(np.full((1, 1, 1, 3), -128))
    assert_refused(lambda: codes(Conv2d(kernel=(1, 1), acc=INT16), pixel, weight, constant=(1,)), "-48768..49152")
    with pytest.raises(ValueError, match="int4") as e:
        codes(
            Conv2d(kernel=(1, 1), acc=INT4), batch(np.zeros((1, 1, 1, 1))), tensor(np.ones((1, 1, 1, 1))), constant=(1,)
        )
    assert "-128..127" in str(e.value)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_floats_whose_grid_takes_more_than_16_bits(overflow):
    """FP8's codes are bytes, their numbers are not."""
    rng, op = np.random.default_rng(0), Conv2d(kernel=(2, 2), acc=INT16, datapath=Datapath(overflow=overflow, drop=9))
    x, w = (rng.choice([*range(0x7F), *range(0x80, 0xFF)], s).astype(np.uint8) for s in ((2, 4, 4, 3), (2, 2, 2, 3)))
    g = Graph()
    a, b = g.input("x", QType(("N", 4, 4, 3), FP8_E4M3)), g.constant("w", QTensor(QType(w.shape, FP8_E4M3), w))
    g.output(y := g.add(op, a, b))
    assert_same(simulate(g, {"x": x}, engine="numpy")[y.name], simulate(g, {"x": x})[y.name])
