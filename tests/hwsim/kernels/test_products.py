import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT24, INT32, UINT8, Dyadic16, Graph, QTensor, QType
from hwsim.formats import BINARY, FP4_E2M1, FP6_E2M3, UINT4
from hwsim.kernels.packing import Packed
from hwsim.kernels.products import column_sums, pack
from hwsim.ops import Conv2d, MatMul, Reduce, Requant, Transpose
from tests.hwsim.kernels.both import alone, check, codes, fixed, given

SIZES = ((2, 16), (3, 17), (4, 64), (15, 65), (16, 2), (17, 96), (65, 130))


def weights(g, k, n, fmt=INT8, zero=0):
    return fixed(g, fmt, k, n, scale=0.5, zero=zero, seed=k + n)


def bias(g, n, scale=0.5, size=1 << 20):
    c = np.random.default_rng(n).integers(-size, size, n).astype(np.int32)
    return g.constant(f"bias{len(g.constants)}", QTensor(QType((n,), INT24, scale), c))


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 49])
@pytest.mark.parametrize(("k", "n"), SIZES)
def test_rows_times_constants(k, n, rows):
    g = Graph()
    for fmt in (INT8, UINT8, INT4):
        x = given(g, fmt.name, fmt, rows, k, zero=3)
        g.output(g.add(MatMul(), x, weights(g, k, n), bias(g, n)))
    check(g, samples=2)


@pytest.mark.parametrize("fmt", [INT8, UINT8, FP4_E2M1, FP6_E2M3, BINARY])
def test_ends_of_bytes(fmt):
    g = Graph()
    x = given(g, "x", fmt, 7, 19)
    w = codes(INT8, 19, 33)
    w[:, :8], w[:, 8:16] = -128, 127
    g.output(g.add(MatMul(), x, g.constant("w", QTensor(QType((19, 33), INT8), w))))
    ends = codes(fmt, 3, 7, 19)
    ends[:, :2] = fmt.min_code if fmt in (INT8, UINT8) else ends[0, 0, 0]
    check(g, {"x": ends})


@pytest.mark.parametrize("wide", [INT16, INT32])
def test_narrow_numbers_of_wide_containers(wide):
    """A first operand that only its reach makes a byte, in a register and in an array."""
    g = Graph()
    x = given(g, "x", INT16, 9, 17)
    for i, fmt in enumerate((INT8, UINT8)):
        y = g.add(Requant(contract=Dyadic16.of(2.0**-8), fmt=wide, scale=256.0, lo=fmt.min_int, hi=fmt.max_int), x)
        a = g.add(MatMul(), y, weights(g, 17, 33 + i))
        g.output(a, g.add(MatMul(), y, weights(g, 17, 16)))
    check(g)


def test_zero_points_of_weights():
    g = Graph()
    x = given(g, "x", INT8, 9, 17)
    g.output(g.add(MatMul(), x, weights(g, 17, 33, UINT4, 7)), g.add(MatMul(), x, weights(g, 17, 33, INT4, -8)))
    check(g)


def test_what_bytes_do_not_hold_runs_on_its_own():
    g = Graph()
    x, wide = given(g, "x", INT8, 9, 17), given(g, "wide", INT16, 9, 17)
    g.output(g.add(MatMul(), x, weights(g, 17, 33, INT8, 100)), g.add(MatMul(), wide, weights(g, 17, 33)))
    g.output(g.add(MatMul(), x, weights(g, 17, 33, UINT8)))
    assert alone(g) == ["matmul"] * 3
    check(g, on_machine=False)


@pytest.mark.parametrize(("k", "n"), [(2, 2), (3, 17), (16, 16), (17, 64), (64, 17), (33, 130)])
@pytest.mark.parametrize("heads", [(), (1,), (3,)])
def test_two_computed_operands(heads, k, n):
    g = Graph()
    for rows in (1, 2, 13):
        a, b = given(g, f"a{rows}", INT8, *heads, rows, k), given(g, f"b{rows}", INT8, *heads, k, n, zero=-3)
        g.output(g.add(MatMul(), a, b))
        u = given(g, f"u{rows}", UINT8, *heads, rows, k)
        across = given(g, f"t{rows}", INT8, *heads, n, k)
        last = len(heads) + 1
        turned = g.add(Transpose(perm=(*range(last), last + 1, last)), across)
        g.output(g.add(MatMul(), u, turned))
    check(g, on_machine=False)
    assert "matmul" not in alone(g)


def test_groups_larger_than_a_block():
    g = Graph()
    a, b = given(g, "a", INT8, 2, 1100, 5), given(g, "b", INT8, 2, 5, 17)
    g.output(g.add(MatMul(), a, b))
    check(g, samples=2)


def attention(heads, rows, k):
    """Scores, requantized, times values: heads are strided views."""
    g = Graph()
    q, key, v = (g.add(Transpose(perm=(0, 2, 1, 3)), given(g, name, INT8, rows, heads, k)) for name in ("q", "k", "v"))
    scores = g.add(MatMul(), q, g.add(Transpose(perm=(0, 1, 3, 2)), key))
    small = g.add(Requant.to(QType((), UINT8, 900.0, 128), scores.type, Dyadic16), scores)
    folded = g.constant("folded", QTensor(QType((rows, k), INT8), np.zeros((rows, k), np.int8)))
    assert folded
    y = g.add(Requant.to(QType((), INT8, 900.0), scores.type, Dyadic16), scores)
    g.output(scores, g.add(MatMul(), y, v), small)
    return g


@pytest.mark.parametrize(("heads", "rows", "k"), [(1, 2, 2), (3, 17, 8), (2, 65, 16), (4, 16, 3)])
def test_attention(heads, rows, k):
    check(attention(heads, rows, k), on_machine=False)


CONVS = {
    "3x3": {"kernel": (3, 3), "padding": ((1, 1), (1, 1))},
    "bare": {"kernel": (2, 3)},
    "uneven": {"kernel": (3, 2), "stride": (2, 3), "padding": ((0, 2), (1, 0))},
    "tall": {"kernel": (3, 1), "dilation": (2, 1), "padding": ((2, 0), (0, 0))},
    "whole": {"kernel": (6, 7)},
    "point": {"kernel": (1, 1)},
    "far points": {"kernel": (1, 1), "stride": (2, 2)},
}


@pytest.mark.parametrize("channels", [1, 3, 4, 16, 17])
@pytest.mark.parametrize("name", CONVS)
def test_windows(name, channels):
    g, op = Graph(), Conv2d(**CONVS[name])
    for fmt, zero in ((INT8, -7), (UINT8, 200), (UINT4, 0)):
        x = given(g, fmt.name, fmt, 6, 7, channels, zero=zero)
        for n in (2, 17, 64):
            w = fixed(g, INT8, n, *op.kernel, channels, scale=0.5, seed=n)
            g.output(g.add(op, x, w, bias(g, n)))
    check(g, samples=2, on_machine=name != "point" or channels > 1)


@pytest.mark.parametrize("channels", [2, 15, 16, 17, 65])
@pytest.mark.parametrize("name", CONVS)
def test_one_weight_a_channel(name, channels):
    g, op = Graph(), Conv2d(**CONVS[name], groups=channels)
    for fmt, zero in ((INT8, -7), (UINT8, 200)):
        x = given(g, fmt.name, fmt, 6, 7, channels, zero=zero)
        for weight in (INT8, INT16):
            w = fixed(g, weight, channels, *op.kernel, 1, scale=0.5)
            g.output(g.add(op, x, w, bias(g, channels, size=1000)))
    check(g, samples=2, on_machine=False)
    assert len(alone(g)) in (0, 4)


def test_dilated_windows_run_on_their_own_unless_depthwise():
    g = Graph()
    x = given(g, "x", INT8, 6, 7, 4)
    for op in (Conv2d(kernel=(2, 2), dilation=(1, 2)), Conv2d(kernel=(2, 2), groups=2)):
        g.output(g.add(op, x, fixed(g, INT8, 6, 2, 2, 4 // op.groups)))
    g.output(g.add(Conv2d(kernel=(2, 2), dilation=(3, 2), groups=4), x, fixed(g, INT8, 4, 2, 2, 1)))
    assert alone(g) == ["conv2d", "conv2d"]
    check(g, on_machine=False)


@pytest.mark.parametrize("axes", [(1,), (1, 2), (2,), (1, 2, 3), (1, 3)])
def test_sums_over_rows(axes):
    g = Graph()
    for fmt in (INT8, UINT8, INT4):
        for width in (2, 16, 17, 65):
            x = given(g, f"{fmt.name} {width}", fmt, 3, 5, width, zero=2)
            g.output(g.add(Reduce(kind="sum", axes=axes), x), g.add(Reduce(kind="mean", axes=axes), x))
    check(g, on_machine=axes == (1, 2))


@pytest.mark.parametrize(("k", "n", "across"), [(1, 1, 0), (4, 17, 0), (5, 64, 1), (18, 100, 1), (7, 130, 0)])
def test_packing_on_the_way_is_packing_before(k, n, across):
    b = codes(INT8, n, k).T if across else codes(INT8, k, n)
    columns = (n + 15) // 16 * 16
    made = Packed(np.ascontiguousarray(b)[None], columns)
    want, steps = made.made(), made.steps
    got = np.full(want.size + 64, 77, np.int8)
    pack(got.ctypes.data, b.ctypes.data, k, n, *b.strides, columns)
    assert got[: want.size].tolist() == want.tolist()
    assert (got[want.size :] == 77).all()
    sums = np.full(columns, 77, np.int32)
    column_sums(sums.ctypes.data, got.ctypes.data, steps, columns)
    assert sums.tolist() == [*b.sum(0, dtype=np.int64).tolist(), *[0] * (columns - n)]
