"""Narrow accumulators against Python integers, one step at a time, on every engine."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from hwsim import (
    FP4_E2M1,
    INT4,
    INT8,
    INT16,
    INT24,
    INT32,
    INT64,
    TERNARY,
    UINT8,
    UINT16,
    Dyadic16,
    Graph,
    IntFormat,
    QType,
    load,
    save,
    simulate,
)
from hwsim.ops import Conv2d, Datapath, MatMul, Requant
from hwsim.ranges import operands
from tests.backends import check_engines
from tests.compare import assert_one_line, assert_same
from tests.oracles import accumulators
from tests.oracles.one_op import batch, codes, refuses, t, tensor

CHOICES = [
    {"overflow": o, "drop": d, "tree": tree, "signs": s}
    for o, s, d, tree in product(("saturate", "wrap"), ("twos", "magnitude"), (0, 1, 5), (1, 2, 8))
    if (o, s) != ("wrap", "magnitude")
]
WIDTHS = range(8, 33)
FIELDS = ("overflow", "drop", "tree", "signs")
FIXED = [
    dict(zip(FIELDS, values, strict=True))
    for values in (
        *[("saturate", 0, 1, "twos"), ("saturate", 3, 4, "magnitude"), ("saturate", 2, 1, "twos")],
        *[("saturate", 0, 4, "magnitude"), ("wrap", 0, 1, "twos"), ("wrap", 3, 2, "twos")],
        *[("refuse", 4, 1, "twos"), ("refuse", 1, 2, "magnitude")],
    )
]


def shown(choices):
    return "-".join(str(v) for v in choices.values())


def case(width, drop, k=21):
    """Operands whose sums of cut products pass `width` bits now and then, and a bias inside."""
    rng, size = np.random.default_rng(width), width + drop - 1
    big, small = 1 << (size + 1) // 2, 1 << size // 2
    a, b = rng.integers(-big, big, (3, k)), rng.integers(-small, small, (k, 4))
    return INT8 if big <= 128 else INT24, a, b, rng.integers(-100, 100, 4)


@pytest.mark.parametrize("choices", CHOICES, ids=shown)
def test_every_width_by_single_steps(choices):
    for width in WIDTHS:
        fmt, a, b, start = case(width, choices["drop"])
        op = MatMul(acc=IntFormat(f"int{width}", width), datapath=Datapath(**choices))
        bias = tensor(start, INT16, float(2 ** choices["drop"]))
        want = accumulators.matrix(a, b, start.tolist(), width, **choices)
        ins = tensor(a, fmt), tensor(b, fmt), bias
        for constant in ((2,), (1, 2)):
            assert_same(want, codes(op, *ins, constant=constant), what=f"{width} bits")
        loose = accumulators.matrix(a, b, start.tolist(), 64, **choices)
        assert (want != loose).any(), f"{width} bits never overflow here: the test shows nothing"


@pytest.mark.parametrize("choices", FIXED, ids=shown)
@pytest.mark.parametrize("width", [8, 12, 16, 24, 32])
def test_every_engine(choices, width):
    """Constant weights and two computed operands, with and without a bias."""
    fmt, a, b, start = case(width, choices["drop"], 11)
    acc, path = IntFormat(f"int{width}", width) if choices["overflow"] != "refuse" else INT64, Datapath(**choices)
    bits, scale = acc.bits, float(2 ** choices["drop"])
    g = Graph("steps")
    x, y = g.input("x", QType(("N", 11), fmt)), g.input("y", QType(("N", 11, 4), fmt))
    rows = g.input("rows", QType(("N", 2, 11), fmt))
    w = g.constant("w", tensor(b, fmt))
    bias = g.constant("bias", tensor(start, INT16, scale))
    op = MatMul(acc=acc, datapath=path)
    g.output(g.add(op, x, w, bias, name="biased"), g.add(op, rows, y, name="values"), g.add(op, x, w, name="plain"))
    data = {"x": a, "y": np.stack([b, b[::-1], -1 - b]), "rows": np.stack([a[:2], a[1:], a[::2]])}
    zeros, columns = [0] * 4, list(zip(data["rows"], data["y"], strict=True))
    want = {
        "biased": accumulators.matrix(a, b, start.tolist(), bits, **choices),
        "plain": accumulators.matrix(a, b, zeros, bits, **choices),
        "values": np.stack([accumulators.matrix(p, q, zeros, bits, **choices) for p, q in columns]),
    }
    check_engines(g, data, want)


SHAPES = {
    "padded": (3, 4, {"kernel": (3, 3), "padding": ((1, 1), (1, 1))}),
    "uneven": (2, 3, {"kernel": (2, 3), "stride": (2, 1), "padding": ((0, 1), (2, 0))}),
    "grouped": (4, 6, {"kernel": (3, 2), "groups": 2, "padding": ((1, 0), (1, 1)), "dilation": (2, 1)}),
    "depthwise": (5, 5, {"kernel": (3, 3), "groups": 5, "stride": (2, 2), "padding": ((1, 1), (1, 1))}),
    "pointwise": (5, 3, {"kernel": (1, 1)}),
}


def convolution(name, choices, zero, width):
    cin, cout, fields = SHAPES[name]
    rng = np.random.default_rng(width)
    acc = IntFormat(f"int{width}", width) if choices["overflow"] != "refuse" else INT64
    op = Conv2d(**fields, acc=acc, datapath=Datapath(**choices))
    x = rng.integers(-128, 128, (2, 5, 6, cin))
    w = rng.integers(-128, 128, (cout, *op.kernel, cin // op.groups))
    start = rng.integers(-100, 100, cout)
    return op, x, w, start, accumulators.windows(op, x, w, zero, start.tolist(), acc.bits, **choices)


@pytest.mark.parametrize("zero", [0, -9])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("choices", FIXED, ids=shown)
def test_convolutions_by_single_steps(choices, name, zero):
    for width in (9, 16, 18):
        op, x, w, start, want = convolution(name, choices, zero, width)
        bias = tensor(start, INT16, float(2 ** choices["drop"]))
        assert_same(want, codes(op, batch(x, INT8, 1.0, zero), tensor(w), bias, constant=(1, 2)))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("choices", FIXED, ids=shown)
def test_convolutions_on_every_engine(choices, name):
    g, data, expected = Graph("convolutions"), {}, {}
    for zero in (0, -9):
        op, x, w, start, want = convolution(name, choices, zero, 16)
        ins = [g.input(f"x{zero}", QType(("N", *x.shape[1:]), INT8, 1.0, zero)), g.constant(f"w{zero}", tensor(w))]
        ins.append(g.constant(f"b{zero}", tensor(start, INT16, float(2 ** choices["drop"]))))
        g.output(g.add(op, *ins, name=f"y{zero}"))
        data[f"x{zero}"], expected[f"y{zero}"] = x, want
    check_engines(g, data, expected)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_other_formats_unsigned_accumulators_and_zero_points(overflow):
    rng, choices = np.random.default_rng(5), {"overflow": overflow, "drop": 0, "tree": 2, "signs": "twos"}
    pairs = (FP4_E2M1, IntFormat("int10", 10)), (TERNARY, INT8), (UINT8, IntFormat("uint12", 12, signed=False))
    for fmt, acc in pairs:
        g, path = Graph("formats"), Datapath(**choices)
        a = rng.integers(0, 256, (6, 30)).astype(np.uint8)
        b = rng.integers(-1, 2, (30, 3)) if fmt == TERNARY else rng.integers(0, 1 << fmt.bits, (30, 3))
        x, zero = g.input("x", QType(("N", 30), UINT8)), 7 if fmt == UINT8 else 0
        w = g.constant("w", tensor(b, fmt, 1.0, zero))
        g.output(g.add(MatMul(acc=acc, datapath=path), x, w, name="y"))
        ints = fmt.to_int(b) - zero
        want = accumulators.matrix(a.astype(np.int64), ints, [0] * 3, acc.bits, signed=acc.signed, **choices)
        check_engines(g, {"x": a}, {"y": want})


def test_steps_of_shifted_channels_zero_points_and_wide_images():
    """Operands that are more than their codes, with sums that leave the limits again."""
    rng, acc, choices = np.random.default_rng(9), IntFormat("int13", 13), {"drop": 0, "tree": 1, "signs": "twos"}
    a, b, image = rng.integers(-8, 8, (6, 30)), rng.integers(-8, 8, (30, 5)), rng.integers(0, 1 << 16, (1, 4, 5, 3))
    gains, zero = np.left_shift(1, rng.integers(0, 6, 30)), rng.integers(-8, 8, 5)
    for scale, zeros in ((1.0, zero), (gains.astype(float), 0 * zero), (gains.astype(float), zero)):
        shifted = a * np.asarray(scale).astype(int)
        want = accumulators.matrix(shifted, b - zeros, [0] * 5, 13, overflow="saturate", **choices)
        x = tensor(a, INT4, tuple(scale) if np.ndim(scale) else scale, axis=1 if np.ndim(scale) else None)
        w = tensor(b, INT4, (1.0,) * 5, tuple(zeros.tolist()), axis=1)
        assert_same(want, codes(MatMul(acc=acc, datapath=Datapath(overflow="saturate")), x, w, constant=(1,)))
        assert len(np.unique(want)) > 9
    op = Conv2d(kernel=(2, 2), acc=IntFormat("int20", 20), datapath=Datapath(overflow="saturate"))
    w = rng.integers(-8, 8, (4, 2, 2, 3))
    want = accumulators.windows(op, image, w, 0, [0] * 4, 20, overflow="saturate", **choices)
    assert_same(want, codes(op, batch(image, UINT16), tensor(w, INT4), constant=(1,)))


def test_choices_that_do_not_exist():
    for fields, culprits in (
        ({"overflow": "clamp"}, ("overflow", "'clamp'", "refuse, saturate, wrap")),
        ({"signs": "ones"}, ("signs", "'ones'")),
        ({"drop": -1}, ("drop -1", "0..32")),
        ({"drop": 33}, ("drop 33",)),
        ({"tree": 3}, ("tree 3", "power of two")),
        ({"tree": 0}, ("tree 0",)),
        ({"overflow": "wrap", "signs": "magnitude"}, ("wrap", "sign-magnitude")),
    ):
        with pytest.raises(ValueError, match="datapath") as e:
            Datapath(**fields)
        assert_one_line(e.value, *culprits)


def test_refusals():
    saturate, magnitude = Datapath(overflow="saturate"), Datapath(signs="magnitude")
    refuses(MatMul(acc=UINT8, datapath=magnitude), (t(3), t(3, 2)), "sign-magnitude", "uint8")
    refuses(MatMul(acc=INT64, datapath=saturate), (t(3), t(3, 2)), "64 bits", "62")
    refuses(MatMul(acc=TERNARY, datapath=Datapath(overflow="wrap")), (t(3), t(3, 2)), "ternary", "wrap")
    refuses(MatMul(acc=INT32, datapath=Datapath(drop=3)), (t(3), t(3, 2), t(2, fmt=INT32)), "scale")
    image, kernel = t("N", 1, 1, 3), t(2, 1, 1, 3)
    refuses(Conv2d(kernel=(1, 1), acc=UINT8, datapath=magnitude), (image, kernel), "conv2d", "uint8")
    for op in (MatMul(acc=INT8, datapath=saturate), MatMul(acc=INT8, datapath=Datapath(overflow="wrap"))):
        with pytest.raises(ValueError, match="bias") as e:
            codes(op, tensor(np.ones(3)), tensor(np.ones((3, 1))), tensor(np.array([128]), INT16), constant=(1, 2))
        assert_one_line(e.value, "128", "int8", "-128..127")
    g = Graph("magnitude")
    x, w = g.input("x", t(1, fmt=INT4)), g.constant("w", tensor(np.full((1, 1), 16)))
    with pytest.raises(ValueError, match="sign-magnitude") as e:
        g.add(MatMul(acc=INT8, datapath=magnitude), x, w)
    assert_one_line(e.value, "-128..112", "-127..127", "saturate")


def test_what_cannot_overflow_is_the_plain_product_in_any_order():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-128, 128, (5, 7)), rng.integers(-8, 8, (7, 3))
    ins = tensor(a), tensor(b, INT4)
    for path in (Datapath(overflow="saturate", tree=4), Datapath(overflow="wrap"), Datapath(signs="magnitude")):
        assert_same(a @ b, codes(MatMul(acc=IntFormat("int14", 14), datapath=path), *ins, constant=(1,)))


def test_reach_is_clipped_or_the_whole_format():
    weights = tensor(np.array([[100], [100], [1]]))
    wide = {"saturate": (-128, 127), "wrap": (-128, 127)}
    for overflow, want in wide.items():
        g = Graph("reach")
        x, w = g.input("x", QType((3,), UINT8)), g.constant("w", weights)
        g.add(MatMul(acc=INT8, datapath=Datapath(overflow=overflow)), x, w, name="y")
        assert g.reach["y"] == ((0, 127) if overflow == "saturate" else want)


def test_a_saturated_sum_may_walk_back_further_than_an_exact_one():
    """Inputs that are always 1: exact sums are 100, 50, 10; in 7 bits they are 63, 13, -27, below every exact one."""
    g = Graph("back")
    x = g.input("x", QType(("N", 3), INT8))
    ones = g.add(Requant(contract=Dyadic16.of(1.0), scale=1.0, lo=1, hi=1), x)
    w = g.constant("w", tensor(np.array([[100], [-50], [-40]])))
    g.output(g.add(MatMul(acc=IntFormat("int7", 7), datapath=Datapath(overflow="saturate")), ones, w, name="y"))
    assert g.nodes[1].op.bound(*operands(g, g.nodes[1])).interval == (0, 100)
    assert simulate(g, {"x": np.zeros((1, 3), np.int8)})["y"].item() == -27
    assert g.reach["y"].lo <= -27


def test_the_file_keeps_choices_and_the_bytes_of_graphs_without(tmp_path):
    def graph(path):
        g = Graph("kept")
        x, w = g.input("x", QType(("N", 3), INT8)), g.constant("w", tensor(np.ones((3, 2))))
        g.output(g.add(MatMul(acc=INT16 if path else INT32, **path), x, w, name="y"))
        save(g, tmp_path / "g.qg")
        return load(tmp_path / "g.qg"), (tmp_path / "g.qg").read_bytes()

    path = Datapath(overflow="saturate", drop=2, tree=4, signs="magnitude")
    assert graph({"datapath": path})[0].nodes[0].op.datapath == path
    assert b"atapath" not in graph({})[1]
    assert graph({})[0].nodes[0].op == MatMul()
