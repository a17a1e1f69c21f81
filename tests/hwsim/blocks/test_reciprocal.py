"""1 / x against exact fractions: the bound of the docstring, on the whole unsigned range."""

from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT8, INT48, UINT8, UINT16, UINT32, Graph, QType, simulate
from hwsim.blocks import reciprocal
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.blocks import normalized, reciprocal_entry

BITS = (2, 5, 8, 9, 12, 16)


def edges(top, seed=0):
    """Every power of two and its neighbours, 0, the top, and random numbers of every size."""
    near = {(1 << k) + d for k in range(top.bit_length()) for d in (-1, 0, 1)} | {top, top - 1}
    rng = np.random.default_rng(seed)
    some = [int(2 ** rng.uniform(0, top.bit_length())) for _ in range(2000)]
    return np.array(sorted({x for x in near | set(some) if 0 <= x <= top}))


def graph(fmt, bits, scale=1.0):
    g = Graph("reciprocal")
    g.output(*reciprocal(g, g.input("x", QType(("N", 1), fmt, scale)), bits=bits, name="r"))
    return g


def parts(fmt, bits, x):
    got = simulate(graph(fmt, bits), {"x": x[:, None].astype(fmt.dtype)})
    return (got[name][:, 0].astype(np.int64) for name in ("r", "r.exponent"))


def check_bound(x, r, e, limit):
    """``|x * r * 2**-e / 2**16 - 1| <= limit`` in integers: x and r * x have at most 64 bits, Python has more."""
    worst = Fraction(0)
    for v, m, k in zip(x.tolist(), r.tolist(), e.tolist(), strict=True):
        if v:
            worst = max(worst, abs(Fraction(v * m, 1 << (16 + k)) - 1))
    assert worst <= limit, f"{float(worst)} > {float(limit)}"


def bound(bits):
    """Half the interval, and where that is fine half a step of r, which is at least 2**15."""
    return Fraction(1, 2**bits) + (Fraction(1, 2**16) if bits > 9 else 0)


@pytest.mark.parametrize("bits", BITS)
def test_every_uint16(bits):
    x = np.arange(1 << 16)
    r, e = parts(UINT16, bits, x)
    check_bound(x, r, e, bound(bits))
    assert (r[0], e[0]) == (r[1], e[1])  # 0 counts as 1
    value = np.ldexp(r.astype(float), -e)
    assert (np.diff(value) <= 0).all()
    table = [reciprocal_entry(*(normalized(v, bits)[:1]), bits) for v in x[:: 1 if bits <= 9 else 37].tolist()]
    assert_same(table, r[:: 1 if bits <= 9 else 37])


@pytest.mark.parametrize("fmt", [UINT32, INT48], ids=lambda f: f.name)
@pytest.mark.parametrize("bits", BITS)
def test_wide_ranges(fmt, bits):
    x = edges(fmt.max_int)
    r, e = parts(fmt, bits, x)
    check_bound(x, r, e, bound(bits))
    assert (np.diff(np.ldexp(r.astype(float), -e)) <= 0).all()


def test_what_is_below_one_step_counts_as_one_step():
    x = np.array([-128, -1, 0, 1, 2])
    r, e = parts(INT8, 9, x)
    assert_same([65408] * 5, r)  # 2**17 / (2 + 2**-8): best on [1, 1 + 2**-8]
    assert_same([0, 0, 0, 0, 1], e)


def test_the_type_says_what_it_means():
    g = graph(UINT8, 9, 0.375)
    r, e = g.outputs
    assert (r.type.fmt, e.type.fmt, e.type.scale) == (UINT16, UINT8, 1.0)
    codes = simulate(g, {"x": np.arange(1, 256, dtype=np.uint8)[:, None]})
    real = codes["r"] * float(r.type.lsb) / 2.0 ** codes["r.exponent"]
    assert np.abs(real * 0.375 * np.arange(1, 256)[:, None] - 1).max() <= 2**-9 * (1 + 1e-9)


@pytest.mark.parametrize(("fmt", "bits"), [(UINT16, 2), (UINT32, 9), (INT48, 12)], ids=str)
def test_on_every_engine(fmt, bits):
    x = edges(fmt.max_int)[::7]
    want = [normalized(v, bits) for v in x.tolist()]
    r = np.array([[reciprocal_entry(m, bits)] for m, _ in want])
    check_engines(graph(fmt, bits), {"x": x[:, None].astype(fmt.dtype)}, {"r": r, "r.exponent": [[e] for _, e in want]})


def test_refusals():
    assert_refused(lambda: graph(UINT8, 1), "bits 1", "2..16")
    assert_refused(lambda: graph(UINT8, 17), "bits 17", "2..16")
    g = Graph("z")
    x = g.input("x", QType(("N", 1), UINT8, 1.0, 3))
    assert_refused(lambda: reciprocal(g, x, name="r"), "zero_point 3")
