"""Quotients: equal to Python's fractions of the docstring's formula, near the exact quotient, on every engine."""

from fractions import Fraction

import numpy as np
import pytest

from algos.gqa_lut import tables
from hwsim import INT8, INT16, UINT8, UINT16, Graph, QType, simulate
from hwsim.blocks.division import divide
from tests.backends import check_engines
from tests.oracles.blocks import clamp, normalized, reciprocal_entry, rescaled
from tests.oracles.exact import ROUND
from tests.oracles.tables import finest, table_code

OUT = QType((), INT16, 0.0003, 0)
FITTED = tables(("reciprocal",))
DOCUMENT = FITTED["reciprocal"].to_json()


def graph(divisor, scale, zero=0, **settings):
    g = Graph("quotient")
    a, b = g.input("a", QType(("N", 1), INT8, 0.02)), g.input("b", QType(("N", 1), divisor, scale, zero))
    g.output(divide(g, a, b, OUT, name="y", **settings))
    return g


def pairs(fmt, lowest, count=2000):
    """Dividends of both signs, divisors of every size."""
    rng = np.random.default_rng(0)
    a = rng.integers(-128, 128, (count, 1))
    b = np.rint(2 ** rng.uniform(0, np.log2(fmt.max_int - lowest), (count, 1))).astype(int) + lowest
    b[:4] = [[lowest], [lowest + 1], [fmt.max_int], [fmt.max_int - 1]]
    return {"a": a.astype(np.int8), "b": b.astype(fmt.dtype)}


def wide(r, e, code):
    """The product of a 16-bit reciprocal, shifted and requantized; `code` is the dividend."""
    spare = max(0, (128 * 65535).bit_length() - 31)
    q = ROUND["half_up"](Fraction(code * r, 2 ** (e + spare)))
    return clamp(rescaled(q, 0.02 * 2.0**-16 * 2**spare / r_step / OUT.scale, "dyadic16", "half_up"), -32768, 32767)


r_step = 0.25


@pytest.mark.parametrize("fitted", [False, True], ids=["whole", "fitted"])
def test_wide_divisors_are_pythons(fitted):
    x = pairs(UINT16, 0)
    want = []
    for a, b in zip(x["a"][:, 0].tolist(), x["b"][:, 0].tolist(), strict=True):
        bits = finest(DOCUMENT) + 1 if fitted else 9
        m, e = normalized(b, bits)
        r = table_code(DOCUMENT, bits - 1, m, 16) if fitted else reciprocal_entry(m, 9)
        want.append([wide(r, e, a)])
    g = graph(UINT16, r_step, tables=FITTED if fitted else {})
    check_engines(g, x, {"y": np.array(want)})


@pytest.mark.parametrize(("fmt", "zero"), [(UINT8, 0), (INT8, -128), (UINT16, 0)], ids=lambda p: getattr(p, "name", p))
@pytest.mark.parametrize("least", [0.0, 0.6])
def test_near_the_exact_quotient(fmt, zero, least):
    x = pairs(fmt, zero)
    y = simulate(graph(fmt, r_step, zero, least=least), x)["y"] * OUT.scale
    real = np.maximum((x["b"].astype(int) - zero) * r_step, max(least, r_step))
    exact = np.clip(x["a"] * 0.02 / real, -32768 * OUT.scale, 32767 * OUT.scale)
    coarse = r_step / 2 / least if least and fmt == UINT16 else 0  # of a wide divisor `least` is a code
    bound = OUT.scale + np.abs(exact) * (2**-9 + coarse)
    assert (np.abs(y - exact) <= bound).all()
