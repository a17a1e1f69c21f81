from fractions import Fraction

import numpy as np
import pytest

from hwsim import FP4_E2M1, FP8_E4M3, INT8, INT16, INT32, UINT8, QType
from hwsim.ops import Pwl
from hwsim.rounding import ROUNDINGS
from tests.compare import all_codes, assert_refused, assert_same
from tests.oracles.exact import ROUND
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, t, tensor


def python_pwl(op, x):
    """The formula, one integer at a time: a breakpoint that equals x lies to its left."""
    out = []
    for v in x:
        i = sum(1 for b in op.breakpoints if b <= v)
        acc = Fraction(op.slopes[i] * v + op.intercepts[i], 1 << op.shift)
        y = ROUND[op.rounding](acc) + op.zero_point
        out.append(min(max(y, op.fmt.min_int), op.fmt.max_int))
    return out


def random_pwl(rng, fmt, entries, **fields):
    points = np.sort(rng.integers(fmt.min_int, fmt.max_int + 1, entries - 1))
    slopes, intercepts = rng.integers(-128, 128, entries), rng.integers(-4000, 4000, entries)
    tables = {"breakpoints": points, "slopes": slopes, "intercepts": intercepts}
    return Pwl(**{k: tuple(v.tolist()) for k, v in tables.items()}, **fields)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16], ids=lambda f: f.name)
def test_every_code(fmt, rounding):
    rng = np.random.default_rng(fmt.bits)
    x = all_codes(fmt) if fmt.bits == 8 else np.arange(fmt.min_int, fmt.max_int + 1, 17).astype(fmt.dtype)
    for shift in (0, 1, 6, 13):
        op = random_pwl(rng, fmt, 8, shift=shift, rounding=rounding, zero_point=-3)
        assert_same(python_pwl(op, x.tolist()), codes(op, tensor(x, fmt)), x, what=f"{op}")


def test_a_breakpoint_belongs_to_the_segment_on_its_right():
    op = Pwl(breakpoints=(-5, 0, 0, 7), slopes=(0,) * 5, intercepts=(10, 20, 99, 30, 40), shift=0)
    x = np.array([-128, -6, -5, -4, -1, 0, 1, 6, 7, 8, 127])
    want = [10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40]  # the segment between equal breakpoints is empty
    assert_same(want, codes(op, tensor(x)), x)


@pytest.mark.parametrize("fmt", [FP4_E2M1, FP8_E4M3], ids=lambda f: f.name)
def test_floats_enter_as_grid_integers(fmt):
    x = all_codes(fmt)
    integers = np.ldexp(gfloat_values(fmt)[x], -fmt.lsb_exp).astype(int)
    op = Pwl(breakpoints=(0,), slopes=(-1, 3), intercepts=(1, 5), shift=4, fmt=INT16)
    assert_same(python_pwl(op, integers.tolist()), codes(op, tensor(x, fmt)), x)


def test_the_ends_of_the_accumulator():
    big = (1 << 60) - 1
    for slope, intercept in ((1 << 28, big), (-(1 << 28), -big), (1 << 28, -big)):
        op = Pwl(breakpoints=(), slopes=(slope,), intercepts=(intercept,), shift=62, rounding="half_even")
        x = np.array([-(2**31), 2**31 - 1, 0, 1])
        assert_same(python_pwl(op, x.tolist()), codes(op, tensor(x, INT32)), x)


def test_one_segment_and_the_type():
    op = Pwl(breakpoints=(), slopes=(2,), intercepts=(-1,), shift=1, fmt=UINT8, scale=0.25, zero_point=7)
    assert op.out_type(t("N", 3)) == QType(("N", 3), UINT8, 0.25, 7)
    x = all_codes(INT8)
    assert_same(python_pwl(op, x.tolist()), codes(op, tensor(x)), x)


REFUSED = {
    "order": ({"breakpoints": (3, 1)}, "(3, 1)"),
    "breakpoints": ({"breakpoints": (1,)}, "1 breakpoints", "3 slopes"),
    "intercepts": ({"intercepts": (1, 2)}, "2 intercepts"),
    "none": ({"breakpoints": (), "slopes": (), "intercepts": ()}, "0 slopes"),
    "shift": ({"shift": 63}, "63"),
    "negative shift": ({"shift": -1}, "-1"),
    "rounding": ({"rounding": "up"}, "'up'"),
    "slope": ({"slopes": (1, 2, 1 << 60)}, "60 bits"),
    "intercept": ({"intercepts": (1, 2, -(1 << 60))}, "60 bits"),
    "fraction": ({"slopes": (1, 2, 0.5)}, "0.5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_are_none_are_refused(name):
    fields, *culprits = REFUSED[name]
    tables = {"breakpoints": (1, 3), "slopes": (1, 2, 3), "intercepts": (0, 0, 0), "shift": 1, **fields}
    assert_refused(lambda: Pwl(**tables), *culprits)


def test_refusals():
    refuses(random_pwl(np.random.default_rng(0), INT8, 4, shift=1), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
    refuses(Pwl(breakpoints=(), slopes=(1,), intercepts=(0,), shift=1, zero_point=128), (t(2),), "128", "int8")
    wide = Pwl(breakpoints=(), slopes=(1 << 30,), intercepts=(0,), shift=1)
    overflows(wide, (t(2, fmt=INT32),), str(-(2**61)), "61 bits")
    narrower = Pwl(breakpoints=(), slopes=((1 << 30) - 1,), intercepts=(0,), shift=30)
    assert codes(narrower, tensor(np.array([64, -3]), INT32)).tolist() == [64, -3]
