"""Integers to float formats: Python's fractions on the finer grid, then gfloat's rounding; every engine."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from hwsim import FP4_E2M1, INT16, INT32, Graph, QType, simulate
from hwsim.blocks.encode import GUARD, encode
from hwsim.formats import FORMATS, FloatFormat
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.floats import gfloat_codes

FLOATS = [f for f in FORMATS.values() if isinstance(f, FloatFormat)]


def expected(x, ratio, fmt, guard):
    """Half up onto the grid, saturated, then gfloat's codes; `ratio` is what the contract applies."""
    most = Fraction(fmt.max_int) * Fraction(2) ** guard
    grid = [max(-floor(most), min(floor(most), floor(Fraction(int(v)) * ratio + Fraction(1, 2)))) for v in x]
    return gfloat_codes(fmt, np.array(grid, np.float64) * 2.0 ** (fmt.lsb_exp - guard), "half_even")


@pytest.mark.parametrize("fmt", FLOATS, ids=lambda f: f.name)
def test_every_float_format_on_every_engine(fmt):
    g = Graph("encode")
    x = g.input("x", QType(("N", 4), INT16, 2.0**-10))
    guard = min(GUARD, 15 - fmt.max_int.bit_length())
    top = float(np.ldexp(float(fmt.max_int), fmt.lsb_exp))
    scale = 24.0 / top  # saturates beyond three quarters of the input's range
    y = encode(g, x, QType((), fmt, scale), name="y")
    g.output(y)
    assert y.type == QType(("N", 4), fmt, scale)
    codes = np.append(np.arange(-(1 << 15), 32764, 8), [0, 1, -1, 32767]).astype(np.int16).reshape(-1, 4)
    (contract,) = (n.op.contract for n in g.nodes if n.op.name == "requant")
    want = expected(codes.reshape(-1), Fraction(float(contract.ratio[0])), fmt, guard)
    got = simulate(g, {"x": codes}, engine="numpy")["y"].reshape(-1)
    zero = (fmt.to_int(got) == 0) & (fmt.to_int(want.astype(np.uint8)) == 0)  # an integer 0 has no sign
    assert_same(want[~zero], got[~zero], codes.reshape(-1)[~zero])
    check_engines(g, {"x": codes[::16]})


def test_steps_one_a_channel_share_one_table():
    g = Graph("encode")
    acc = QType(("N", 3), INT32, (0.5, 0.25, 0.125), axis=1)
    out = QType(("N", 3), FP4_E2M1, (8.0, 2.0, 4.0), axis=1)
    y = encode(g, g.input("x", acc), out, name="y")
    g.output(y)
    assert y.type == out
    x = np.array([[16, 8, 32], [-16, 12, -64], [80, 0, 1000]], np.int32)  # 1, 1, 1 / -1, 1.5, -2 / 5, 0, 31.25
    check_engines(g, {"x": x}, {"y": FP4_E2M1.encode(np.array([[1, 1, 1], [-1, 1.5, -2], [5, 0, 31.25]]))})
