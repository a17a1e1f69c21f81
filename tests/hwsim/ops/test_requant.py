from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, INT32, INT64, UINT8, Dyadic16, OnnxFloat, Pow2, QType, TflmDouble, TflSingle
from hwsim.contracts import TOLERANCE
from hwsim.ops import Requant
from tests.compare import all_codes, assert_same
from tests.oracles.exact import ROUND, float32, saturated, tflm_multiply
from tests.oracles.one_op import codes, overflows, refuses, t, tensor

RATIO = 1 / 300


def python_contract(c, x):
    """One number under a contract of one channel, by exact fractions."""
    match c:
        case Dyadic16():
            return ROUND[c.rounding](Fraction(x * c.multiplier[0], 1 << c.shift[0]))
        case Pow2():
            return ROUND[c.rounding](Fraction(x) / Fraction(2) ** c.shift[0])
        case TflSingle():
            return ROUND[c.rounding](x * c.multiplier[0] * Fraction(2) ** (c.shift[0] - 31))
        case TflmDouble():
            return tflm_multiply(x, c.multiplier[0], c.shift[0])
    return round(Fraction(float32(float32(x) * c.scale[0])))


CONTRACTS = (
    *(Dyadic16.of(RATIO, r) for r in ("half_up", "half_even", "half_away", "floor", "toward_zero")),
    *(Pow2.of(2.0**-8, r) for r in ("half_up", "half_even", "half_away")),
    *(TflSingle.of(RATIO), TflmDouble.of(RATIO), TflmDouble.of(3 / 1024), OnnxFloat.of(RATIO), OnnxFloat.of(0.0078125)),
)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: f"{c.name}-{getattr(c, 'rounding', '')}{c.ratio[0]:.4g}")
def test_all_int16_codes(contract):
    x = all_codes(INT16)
    op = Requant(contract=contract, scale=1 / float(contract.ratio[0]), zero_point=5)
    want = saturated((python_contract(contract, int(v) + 9) + 5 for v in x), -128, 127)
    got = codes(op, tensor(x, INT16, 1.0, -9))
    assert_same(want, got, x)
    assert got.min() < -90
    assert got.max() > 90


def test_round_then_add_the_zero_point_then_saturate():
    x = np.array([1, 3, 5, -1, -3, 253, 255])
    op = Requant(contract=Pow2.of(0.5, "half_even"), scale=2.0, zero_point=1)
    assert_same([1, 3, 3, 1, -1, 127, 127], codes(op, tensor(x, INT16)), x)


def test_limits_clamp_after_the_zero_point():
    x = np.arange(-20, 20)
    op = Requant(contract=Dyadic16.of(1.0), fmt=INT8, scale=1.0, zero_point=-3, lo=-3, hi=6)
    assert_same([min(max(v - 3, -3), 6) for v in x], codes(op, tensor(x)), x)
    assert_same(
        saturated(range(-20, 20), 0, 255), codes(replace(op, fmt=UINT8, zero_point=0, lo=None, hi=None), tensor(x))
    )


def test_channels_of_the_last_axis_have_their_own_constants_and_zero_points():
    scale, zero = (0.5, 0.25, 3.0), (1, -2, 3)
    x = np.random.default_rng(0).integers(-(2**31), 2**31, (50, 3))
    source = QType((3,), INT32, scale, axis=0)
    op = Requant.to(t(1, scale=1e7, zero=4), source, Dyadic16, "half_even")
    one = [Dyadic16.of(s / 1e7, "half_even") for s in scale]
    want = [saturated((python_contract(c, int(v)) + 4 for c, v in zip(one, row, strict=True)), -128, 127) for row in x]
    assert_same(want, codes(op, tensor(x, INT32, scale, axis=1)), x)
    narrow = np.random.default_rng(1).integers(-100, 100, (50, 3))
    op = Requant.to(t(1), QType((3,), INT8, scale, axis=0), TflSingle)
    one = [TflSingle.of(s) for s in scale]
    rows = [[python_contract(c, int(v) - z) for c, v, z in zip(one, row, zero, strict=True)] for row in narrow]
    assert_same([saturated(r, -128, 127) for r in rows], codes(op, tensor(narrow, INT8, scale, zero, axis=1)), narrow)


def test_the_contract_must_apply_the_ratio_of_the_scales():
    exact = Dyadic16(multiplier=(40000,), shift=(16,))
    ratio = 40000 / 65536
    for error, fits in ((TOLERANCE * 0.99, True), (-TOLERANCE * 0.99, True), (TOLERANCE * 1.01, False), (-2e-5, False)):
        op = Requant(contract=exact, scale=(1 + error) / ratio)
        if fits:
            assert op.out_type(t(3, fmt=INT32)).fmt == INT8
        else:
            refuses(op, (t(3, fmt=INT32),), "dyadic16", repr(ratio), "channel 0")
    wrong = Requant(contract=Dyadic16.of([0.5, 0.25, 0.5]), scale=2.0)
    refuses(wrong, (t(4, 3, fmt=INT32),), "0.25", "0.5", "channel 1")
    refuses(Requant(contract=TflSingle.of(2.0**-40), scale=2.0**40), (t(3),), "applies 0.0")


def test_of_to_takes_the_target_from_a_type():
    out = t(1, fmt=UINT8, scale=0.5, zero=7)
    op = Requant.to(out, t("N", 3, fmt=INT32, scale=0.25), Pow2, "floor", lo=7)
    assert (op.contract, op.fmt, op.scale, op.zero_point, op.lo) == (
        Pow2(shift=(1,), rounding="floor"),
        UINT8,
        0.5,
        7,
        7,
    )
    assert op.out_type(t("N", 3, fmt=INT32, scale=0.25)) == QType(("N", 3), UINT8, 0.5, 7)
    for bad in (t(2, zero=(1, 2), axis=0), t(1, fmt=FP4_E2M1)):
        with pytest.raises(ValueError, match="requant: target"):
            Requant.to(bad, t(1), Dyadic16)


def test_a_target_may_have_a_step_a_channel():
    out = QType((2, 3), INT8, (0.5, 2.0, 1.0), axis=1)
    op = Requant.to(out, t("N", 3, fmt=INT32, scale=0.25), Dyadic16, "half_even")
    assert op.out_type(t("N", 3, fmt=INT32, scale=0.25)) == QType(("N", 3), INT8, (0.5, 2.0, 1.0), axis=1)
    x = np.array([[3, 12, 2000], [-5, -4, 6]])
    assert_same([[2, 2, 127], [-2, 0, 2]], codes(op, tensor(x, INT32, 0.25)), x)  # halves go to the even one
    refuses(op, (t("N", 2, fmt=INT32, scale=0.25),), "3 constants", "(.N., 2)".replace(".", "'"))


@pytest.mark.parametrize(
    "contract",
    [Dyadic16.of(0.5), Pow2.of(4.0), TflSingle.of(0.5), TflmDouble.of(4.0), OnnxFloat.of(0.5)],
    ids=lambda c: c.name,
)
def test_the_largest_input_is_taken_and_the_next_is_not(contract):
    op = Requant(contract=contract, fmt=INT64, scale=1 / float(contract.ratio[0]))
    for sign in (1, -1):
        end = np.array([sign * contract.max_input])
        assert_same([python_contract(contract, int(end[0]))], codes(op, tensor(end, INT64), constant=(0,)), end)
        with pytest.raises(ValueError, match=f"<= {contract.max_input}"):
            codes(op, tensor(end + sign, INT64), constant=(0,))


def test_reach_holds_for_channels_of_different_zero_points():
    zero = (-100, 0, 120)
    op = Requant(contract=Dyadic16.of([1.0] * 3), fmt=INT16, scale=1.0)
    for x in (np.full((1, 3), -128), np.full((1, 3), 127)):
        want = [[int(v) - z for v, z in zip(x[0], zero, strict=True)]]
        assert_same(want, codes(op, tensor(x, INT8, 1.0, zero, axis=1)))


def test_refusals():
    halve = Requant(contract=Dyadic16.of(0.5), scale=2.0)
    refuses(replace(halve, lo=5, hi=4), (t(3),), "5..4")
    refuses(replace(halve, lo=-129), (t(3),), "-129..127", "int8")
    refuses(replace(halve, hi=128), (t(3),), "-128..128")
    refuses(replace(halve, zero_point=128), (t(3),), "128", "int8")
    refuses(replace(halve, contract=Dyadic16.of([0.5, 0.5])), (t(2, 3),), "2 constants", "(2, 3)")
    refuses(replace(halve, contract=Dyadic16.of([0.5, 0.5])), (t(),), "2 constants", "()")
    refuses(halve, (t(3, 2, scale=(1.0,) * 3, axis=0),), "axis 0", "(3, 2)")
    overflows(halve, (t(3, fmt=INT64),), str(2**63 - 1), "dyadic16", str(2**46))
    overflows(Requant(contract=TflmDouble.of(4.0), scale=0.25), (t(3, fmt=INT32),), str(2**31), str(2**28))
    overflows(Requant(contract=Pow2.of(2.0**20), scale=2.0**-20), (t(3, fmt=INT64),), "pow2", str(2**42 - 1))
