"""1 / sqrt(x) against exact integers: the bound of the docstring, on the whole unsigned range."""

from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT8, INT48, UINT8, UINT16, UINT32, Graph, QType, simulate
from hwsim.blocks import rsqrt
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.blocks import normalized, rsqrt_entry

from .test_reciprocal import BITS, edges


def graph(fmt, bits, scale=1.0):
    g = Graph("rsqrt")
    g.output(*rsqrt(g, g.input("x", QType(("N", 1), fmt, scale)), bits=bits, name="r"))
    return g


def parts(fmt, bits, x):
    got = simulate(graph(fmt, bits), {"x": x[:, None].astype(fmt.dtype)})
    return (got[name][:, 0].astype(np.int64) for name in ("r", "r.half"))


def check_bound(x, r, h, limit):
    """``(1 - limit)**2 <= x * (r * 2**-16 * 2**-h)**2 <= (1 + limit)**2``, in integers."""
    low, high = (1 - limit) ** 2, (1 + limit) ** 2
    squares = [
        Fraction(v * m * m, 1 << (32 + 2 * k)) for v, m, k in zip(x.tolist(), r.tolist(), h.tolist(), strict=True) if v
    ]
    assert low <= min(squares)
    assert max(squares) <= high


def bound(bits):
    """Half the relative width of an interval's root, and half a step of r, which is at least 2**15."""
    return Fraction(1, 2 ** (bits + 1)) + (Fraction(1, 2**16) if bits > 9 else 0)


def wanted(x, bits):
    pairs = [normalized(v, bits) for v in x.tolist()]
    return [rsqrt_entry(m, bits, odd=bool(e % 2)) for m, e in pairs], [e // 2 for _, e in pairs]


@pytest.mark.parametrize("bits", BITS)
def test_every_uint16(bits):
    x = np.arange(1 << 16)
    r, h = parts(UINT16, bits, x)
    check_bound(x, r, h, bound(bits))
    assert (r[0], h[0]) == (r[1], h[1])  # 0 counts as 1
    assert (np.diff(np.ldexp(r.astype(float), -h)) <= 0).all()
    step = 1 if bits <= 9 else 37
    assert_same(wanted(x[::step], bits)[0], r[::step])


@pytest.mark.parametrize("fmt", [UINT32, INT48], ids=lambda f: f.name)
@pytest.mark.parametrize("bits", BITS)
def test_wide_ranges(fmt, bits):
    x = edges(fmt.max_int)
    r, h = parts(fmt, bits, x)
    check_bound(x, r, h, bound(bits))
    assert (np.diff(np.ldexp(r.astype(float), -h)) <= 0).all()


def test_what_is_below_one_step_counts_as_one_step():
    x = np.array([-128, -1, 0, 1, 4])
    r, h = parts(INT8, 9, x)
    assert_same([65472] * 5, r)  # 2**17 / (1 + sqrt(1 + 2**-8))
    assert_same([0, 0, 0, 0, 1], h)


@pytest.mark.parametrize("scale", [0.375, 2.0**-9, 1e-3])
def test_the_type_says_what_it_means(scale):
    g = graph(UINT8, 9, scale)
    r, h = g.outputs
    assert (r.type.fmt, h.type.fmt, h.type.scale) == (UINT16, UINT8, 1.0)
    x = np.arange(1, 256, dtype=np.uint8)[:, None]
    codes = simulate(g, {"x": x})
    real = codes["r"] * float(r.type.lsb) / 2.0 ** codes["r.half"]
    assert np.abs(real * np.sqrt(scale * x.astype(float)) - 1).max() <= 2**-10


@pytest.mark.parametrize(("fmt", "bits"), [(UINT16, 2), (UINT32, 9), (INT48, 12)], ids=str)
def test_on_every_engine(fmt, bits):
    x = edges(fmt.max_int)[::7]
    r, h = wanted(x, bits)
    want = {"r": np.array(r)[:, None], "r.half": np.array(h)[:, None]}
    check_engines(graph(fmt, bits), {"x": x[:, None].astype(fmt.dtype)}, want)


def test_refusals():
    assert_refused(lambda: graph(UINT8, 1), "bits 1", "2..16")
    g = Graph("z")
    x = g.input("x", QType(("N", 1), UINT8, 1.0, 3))
    assert_refused(lambda: rsqrt(g, x, name="r"), "zero_point 3")
