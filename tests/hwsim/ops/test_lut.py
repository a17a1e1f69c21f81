import math

import numpy as np
import pytest

from hwsim import (
    FP4_E2M1,
    FP8_E4M3,
    FP8_E5M2,
    INT4,
    INT8,
    INT16,
    INT32,
    TERNARY,
    UINT1,
    UINT8,
    UINT16,
    Graph,
    QType,
    simulate,
)
from hwsim.formats import IntFormat
from hwsim.ops import Lut, Normalize
from hwsim.ops.lut import table_size
from hwsim.ranges import Interval, Operand
from tests.backends import check_engines
from tests.compare import all_codes, assert_one_line, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import codes, overflows, refuses, t, tensor

FORMATS = (INT8, UINT8, INT4, TERNARY, UINT1, FP4_E2M1, FP8_E4M3, INT16, UINT16)


@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_every_code_finds_its_entry(fmt):
    table = np.random.default_rng(0).integers(-128, 128, table_size(fmt)).tolist()
    x = all_codes(fmt)
    want = [table[int(c) - fmt.min_code] for c in x]
    assert_same(want, codes(Lut(table=tuple(table)), tensor(x, fmt)), x)


def test_results_in_any_integer_format():
    for out in (INT16, UINT16, INT32, IntFormat("int11", 11)):
        op = Lut(table=(out.min_int, out.max_int), fmt=out, scale=0.5, zero_point=1)
        assert_same([out.min_int, out.max_int], codes(op, tensor(np.array([0, 1]), UINT1)))
        assert op.out_type(t("N", 3, fmt=UINT1)) == QType(("N", 3), out, 0.5, 1)


def test_of_rounds_half_to_even_and_saturates():
    source, out = t(1, scale=0.0625, zero=-7), t(1, scale=0.0625, zero=3)
    op = Lut.of(lambda v: 4 * np.tanh(v) + v, source, out)
    reals = [(c + 7) / 16 for c in range(-128, 128)]
    want = [min(max(round((4 * math.tanh(v) + v) * 16) + 3, -128), 127) for v in reals]
    assert_same(want, op.table, range(-128, 128))
    assert {-128, 127} <= set(want)
    halves = Lut.of(lambda v: v / 2, t(1), t(1))
    assert_same([round(c / 2) for c in range(-128, 128)], halves.table, range(-128, 128))
    assert (op.fmt, op.scale, op.zero_point) == (INT8, 0.0625, 3)


@pytest.mark.parametrize("fmt", [FP4_E2M1, FP8_E4M3, FP8_E5M2], ids=lambda f: f.name)
def test_of_float_inputs(fmt):
    op = Lut.of(lambda v: np.maximum(v, 0), QType(("N", 2), fmt), t(1, fmt=INT8, scale=0.5))
    x = all_codes(fmt)
    want = [min(round(max(v, 0) * 2), 127) for v in gfloat_values(fmt)[x].tolist()]
    assert_same(want, codes(op, tensor(x, fmt)), x)


def test_refusals():
    refuses(Lut(table=(0,) * 255), (t(3),), "255 entries", "int8", "256 codes")
    refuses(Lut(table=(0,) * 256), (t(3, fmt=INT4),), "256 entries", "16 codes")
    refuses(Lut(table=(0,) * 256), (t(3, fmt=INT32),), "int32", "2**16")
    refuses(Lut(table=(0,) * 256), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
    refuses(Lut(table=(0,) * 256, zero_point=128), (t(3),), "128", "int8")
    overflows(Lut(table=(0,) * 255 + (128,)), (t(3),), "0..128", "int8")
    overflows(Lut(table=(-129,) + (0,) * 255), (t(3),), "-129..0", "int8")
    for call, culprits in (
        (lambda: Lut.of(lambda v: 1 / np.where(v == 0, np.inf, 0), t(1), t(1)), ("lut",)),
        (lambda: Lut.of(lambda v: np.where(v == 5, np.nan, v), t(1), t(1)), ("nan", "code 5")),
        (lambda: Lut.of(np.abs, t(1), t(2, scale=(1.0, 2.0), axis=0)), ("per tensor",)),
    ):
        with pytest.raises(ValueError, match="lut") as e, np.errstate(all="ignore"):
            call()
        assert_one_line(e.value, *culprits)


def test_a_table_of_what_the_input_can_reach():
    """Codes left out save flash; an input that could be one of them is refused."""
    op = Lut(table=tuple(range(256)), first=256, fmt=UINT8)
    g = Graph("part")
    mantissa, _ = g.add_all(Normalize(bits=9), g.input("x", t("N", 1, fmt=UINT16)), names=("m", "e"))
    g.output(g.add(op, mantissa, name="y"))
    x = all_codes(UINT16)[:, None]
    m = simulate(g, {"x": x}, trace=True)["m"]
    check_engines(g, {"x": x[::37]}, {"y": (m[::37] - 256).astype(np.uint8)})
    half = Lut.of(np.exp, t(1, scale=0.0625), t(1, fmt=UINT16, scale=2.0**-15), Interval(-128, 0))
    assert_same([round(math.exp(c / 16) * 2**15) for c in range(-128, 1)], half.table)
    assert half.first == -128
    overflows(half, (t(3, scale=0.0625),), "-128..127", "-128..0")
    overflows(Lut(table=(1, 2), first=-1), (t(3, fmt=UINT1),), "0..1", "-1..0")
    refuses(Lut(table=(1, 2), first=0), (t(3, fmt=FP4_E2M1),), "fp4_e2m1", "first 0")
    refuses(Lut(table=(), first=0), (t(3, fmt=UINT1),), "0 entries")


def test_entries_out_of_reach_do_not_widen_the_result():
    op = Lut(table=(-100, *range(15)), fmt=INT8)
    assert op.reach(Operand(t(1, fmt=INT4), Interval(-7, 0))) == Interval(0, 7)


def test_results_in_float_formats():
    x = all_codes(INT8)
    op = Lut.of(lambda v: v / 16, t(1), QType((), FP4_E2M1))
    g = Graph("floats")
    g.output(g.add(op, g.input("x", t("N", 1)), name="y"))
    want = FP4_E2M1.encode(x.astype(np.float64) / 16)
    check_engines(g, {"x": x[:, None]}, {"y": want[:, None]})
    assert g.reach["y"] == Interval(-12, 12)
    assert Lut.of(lambda v: v / 64, t(1), QType((), FP4_E2M1)).reach(Operand(t(1), Interval(0, 64))) == Interval(0, 2)


def test_a_code_that_names_nan_is_no_entry():
    g = Graph("nan")
    x = g.input("x", t("N", 2, fmt=UINT1))
    with pytest.raises(ValueError, match="lut") as e:
        g.add(Lut(table=(0, 127), fmt=FP8_E4M3), x)
    assert_one_line(e.value, "127", "fp8_e4m3")


def test_steps_one_a_channel_pass_with_the_codes():
    many = t("N", 2, fmt=UINT1, scale=(1.0, 2.0), axis=1)
    op = Lut(table=(3, 5), scale=(0.5, 4.0))
    assert op.out_type(many) == QType(("N", 2), INT8, (0.5, 4.0), axis=1)
    refuses(op, (t("N", 2, fmt=UINT1),), "2 scales", "('N', 2)")
    refuses(Lut(table=(3, 5)), (many,), "per-channel")
