from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, UINT8, Graph, QTensor, QType
from hwsim.ops import ScaledAdd
from hwsim.ops.scaled_add import fused
from tests.backends import check_engines
from tests.compare import all_codes, all_pairs, assert_refused, assert_same
from tests.oracles.exact import nearest_float32
from tests.oracles.one_op import codes, refuses, run, t, tensor


def exactly(op, a, b):
    """Two fused multiply-adds on fractions."""
    pairs = zip(np.ravel(a).tolist(), np.ravel(b).tolist(), strict=True)
    sums = [
        nearest_float32(x * Fraction(op.scale_a) + nearest_float32(y * Fraction(op.scale_b) + Fraction(op.offset)))
        for x, y in pairs
    ]
    return np.array([min(max(round(s), op.limits.lo), op.limits.hi) for s in sums])


def made(a, b, out, fmt=INT8, **limits):
    """The op for three (scale, zero point) pairs, constants rounded from the exact ones."""
    ratios = [float(np.float32(s / out[0])) for s in (a[0], b[0])]
    offset = float(np.float32(out[1] - a[1] * ratios[0] - b[1] * ratios[1]))
    return ScaledAdd(
        scale_a=ratios[0], scale_b=ratios[1], offset=offset, fmt=fmt, scale=out[0], zero_point=out[1], **limits
    )


CASES = [
    ((0.5, 0), (0.25, 0), (1.0, 0)),  # ties everywhere
    ((0.75, -128), (0.375, 127), (1.5, 3)),
    ((0.1, 3), (0.07, -9), (0.13, -5)),
    ((0.3, 127), (0.0003, 127), (0.02, -128)),
    ((1 / 3, 1), (1 / 3, -1), (1 / 7, 0)),
]


@pytest.mark.parametrize("case", CASES)
def test_all_pairs_of_int8(case):
    a, b = all_pairs(all_codes(INT8), all_codes(INT8))
    op = made(*case)
    got = codes(op, tensor(a, INT8, *case[0]), tensor(b, INT8, *case[1]))
    assert_same(exactly(op, a, b), got, a, b)


def test_random_pairs_of_int16_and_their_ends():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.integers(-(1 << 15), 1 << 15, (2, 500))
        a[:4], b[:4] = (-(1 << 15), -(1 << 15), 32767, 32767), (-(1 << 15), 32767, -(1 << 15), 32767)
        kinds = [(float(rng.uniform(0.01, 1)), int(rng.integers(-3000, 3000))) for _ in range(3)]
        op = made(*kinds, fmt=INT16)
        got = codes(op, tensor(a, INT16, *kinds[0]), tensor(b, INT16, *kinds[1]))
        assert_same(exactly(op, a, b), got, a, b)


def test_one_rounding_is_told_from_two():
    """What a product rounded to float32 first would give is another code somewhere, or this file tests nothing."""
    a, b = all_pairs(all_codes(INT8), all_codes(INT8))
    op = made(*CASES[2])
    scale_a, scale_b, offset = (np.float32(v) for v in (op.scale_a, op.scale_b, op.offset))
    once = fused(a, op.scale_a, fused(b, op.scale_b, offset))
    twice = a.astype(np.float32) * scale_a + (b.astype(np.float32) * scale_b + offset)
    assert (once != twice).any()
    few = slice(0, None, 97)
    want = [
        float(nearest_float32(int(x) * Fraction(op.scale_a) + Fraction(float(c))))
        for x, c in zip(a[few], b[few], strict=True)
    ]
    assert_same(want, fused(a[few], op.scale_a, b[few].astype(np.float32)))


def test_every_engine():
    rng = np.random.default_rng(1)
    for i, fmt in enumerate((INT8, UINT8, INT16, INT4)):
        kinds = [(float(rng.uniform(0.01, 1)), int(rng.integers(0, fmt.max_int))) for _ in range(3)]
        op = made(*kinds, fmt=(INT8, UINT8, INT32, INT4)[i], lo=None if i else -100, hi=None if i else 90)
        x, y = (rng.integers(fmt.min_int, fmt.max_int + 1, (40, 3, 5)).astype(fmt.dtype) for _ in "xy")
        row = rng.integers(fmt.min_int, fmt.max_int + 1, (3, 1)).astype(fmt.dtype)
        g = Graph("sums")
        a, b = (g.input(n, QType(("N", 3, 5), fmt, *k)) for n, k in zip("ab", kinds, strict=False))
        c = g.constant("row", QTensor(QType((3, 1), fmt, *kinds[1]), row))
        g.output(g.add(op, a, b, name="both"), g.add(op, a, c, name="wide"))
        want = {"both": exactly(op, x, y), "wide": exactly(op, x, np.broadcast_to(row, x.shape))}
        check_engines(g, {"a": x, "b": y}, {k: v.reshape(x.shape) for k, v in want.items()})


def test_types_and_limits():
    case = CASES[2]
    y = run(
        made(*case, lo=-10, hi=10),
        tensor(np.arange(-128, 128), INT8, *case[0]),
        tensor(np.arange(-128, 128), INT8, *case[1]),
    )
    assert y.type == QType((256,), INT8, 0.13, -5)
    assert (y.codes.min(), y.codes.max()) == (-10, 10)
    op = made((0.5, 0), (0.5, 0), (1.0, 0))
    assert op.out_type(t("N", 3, scale=0.5), t(3, scale=0.5)).shape == ("N", 3)


def test_refusals():
    a, b, out = CASES[2]
    op, types = made(a, b, out), (t(3, scale=0.1, zero=3), t(3, scale=0.07, zero=-9))
    assert op.out_type(*types).fmt == INT8
    refuses(op, (t(3, scale=0.11, zero=3), types[1]), "scale_a", "0.84")
    refuses(op, (types[0], t(3, scale=0.08, zero=-9)), "scale_b", "0.61")
    refuses(op, (types[0], t(3, scale=0.07, zero=-8)), "offset")
    refuses(op, (types[0], t(4, scale=0.07, zero=-9)), "(3,)", "(4,)")
    refuses(op, (t(3, fmt=INT32, scale=0.1, zero=3), types[1]), "int32", "16 bits")
    refuses(op, (t(3, scale=(0.1, 0.2, 0.1), axis=0), types[1]), "per-channel")
    refuses(made(a, b, out, lo=5, hi=4), types, "5..4")
    tiny = (0.07 * 2.0**-33, 0)
    refuses(made(a, tiny, out), (types[0], t(3, scale=tiny[0])), "float64 does not hold", "scale_b")
    good = {"scale_a": 0.5, "scale_b": 0.5, "offset": 0.0, "scale": 1.0}
    for field, v in (("scale_a", 0.1), ("scale_b", -0.5), ("scale_a", float("inf")), ("offset", 0.1), ("scale_a", 1)):
        assert_refused(lambda f=field, v=v: ScaledAdd(**{**good, f: v}), field, repr(v))
