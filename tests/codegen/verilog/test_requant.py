"""Requantization units: every integer contract and rounding, one channel and many, against the op."""

import numpy as np
import pytest

from codegen import emit_verilog
from codegen.rtl import RequantUnit
from hwsim import INT4, INT8, INT16, INT32, UINT8, QType
from hwsim.contracts import Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from hwsim.formats import FP8_E4M3, UINT16, IntFormat
from hwsim.ops import Requant
from hwsim.ranges import Interval
from hwsim.rounding import ROUNDINGS
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus
from tests.compare import assert_refused

RATIOS = {Pow2: (2.0**-9, 2.0**-4, 2.0, 1.0, 0.5)}
ROUNDED = [(k, r) for k in (Dyadic16, Pow2) for r in ROUNDINGS]
ROUNDED += [(TflSingle, "half_away"), (TflSingle, "half_up"), (TflmDouble, "half_away")]


def unit(
    contract, rounding="half_up", channels=1, source=INT32, out=UINT8, zero=3, zero_x=0, limits=(None, None), **more
):
    """A unit from `source` to `out` with the first `channels` ratios."""
    ratios = RATIOS.get(contract, (0.00123, 0.0441, 0.7, 2.0**-6, 0.999))[:channels]
    many = channels > 1
    x = QType(("N", channels), source, ratios if many else ratios[0], zero_x, 1 if many else None)
    made = contract.of(np.asarray(x.lsb), rounding)
    if contract is TflSingle:
        made = TflSingle(multiplier=made.multiplier, shift=made.shift, rounding=rounding)
    op = Requant(contract=made, fmt=out, scale=1.0, zero_point=zero, lo=limits[0], hi=limits[1])
    return RequantUnit(op=op, x=x, **more)


@needs_icarus
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize(("contract", "rounding"), ROUNDED, ids=lambda v: getattr(v, "name", v))
def test_every_contract_and_rounding(contract, rounding, channels):
    reach = Interval(-(2**24), 2**24)
    assert_equal(unit(contract, rounding, channels, reach=reach), 10_000)
    assert_equal(unit(contract, rounding, channels, INT8, INT8, -2, stages=1), 256 * channels)


@needs_icarus
@pytest.mark.parametrize("contract", [Dyadic16, Pow2, TflSingle, TflmDouble], ids=lambda c: c.name)
def test_the_whole_range_of_an_accumulator(contract):
    assert_equal(unit(contract, stages=2, out=INT16), 10_000)
    assert_equal(unit(contract, source=INT16, channels=2, zero_x=(100, -7), stages=2), 10_000)


@needs_icarus
@pytest.mark.parametrize("source", [UINT8, INT4, UINT16, FP8_E4M3, IntFormat("int20", 20)], ids=lambda f: f.name)
def test_inputs(source):
    zero = 0 if source == FP8_E4M3 else 5
    assert_equal(unit(Dyadic16, "half_even", 3, source, zero_x=zero))
    assert_equal(unit(TflmDouble, "half_away", 1, source, zero_x=zero, limits=(3, 40)))


@needs_icarus
def test_a_shift_by_nothing_and_one_beyond_the_word():
    x = QType(("N",), INT8, 1.0)
    for rounding in ROUNDINGS:
        for shift in (0, 1, 8, 20, 45):
            op = Requant(contract=Pow2(shift=(shift,), rounding=rounding), fmt=INT8, scale=2.0**shift)
            assert_equal(RequantUnit(op=op, x=x), 256)
        op = Requant(contract=Pow2(shift=(0, 3), rounding=rounding), fmt=INT8, scale=(1.0, 8.0))
        assert_equal(RequantUnit(op=op, x=QType(("N", 2), INT8)), 512)


MUTANTS = {
    "another rounding": (Pow2, lambda t: t.replace("~x_int[", "x_int[")),
    "unsigned input": (Dyadic16, lambda t: t.replace("$signed(x[24:0])", "{1'b0, x[23:0]}")),
    "one rounding of two": (TflmDouble, lambda t: t.replace(" + 31'sh40000000", "").replace(" + 32'sh40000000", "")),
    "no zero point": (Dyadic16, lambda t: t.replace("+ 3'sh3", "+ 3'sh0")),
    "limits swapped": (Dyadic16, lambda t: t.replace("placed < 1'sh0 ? 1'sh0", "placed < 1'sh0 ? 9'shff")),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    contract, change = MUTANTS[name]
    rounding = "half_away" if contract is TflmDouble else "half_even"
    assert mutated(unit(contract, rounding, reach=Interval(-(2**24), 2**24 - 1)), change) > 0


def test_power_of_two_has_no_multiplier_and_narrow_inputs_no_limits():
    text = "".join(emit_verilog(unit(Pow2)).values())
    assert "*" not in text
    narrow = "".join(emit_verilog(unit(Pow2, out=INT16, source=INT8, zero=0)).values())
    assert "?" not in narrow


REFUSED = {
    "float": (lambda: unit(OnnxFloat), "onnx_float", "dyadic16, pow2"),
    "stages": (lambda: unit(Dyadic16, stages=3), "stages 3"),
    "reach": (lambda: unit(Dyadic16, source=INT8, reach=Interval(-200, 0)), "(-200, 0)", "int8"),
    "float reach": (lambda: unit(Dyadic16, source=FP8_E4M3, reach=Interval(0, 1)), "fp8_e4m3"),
    "constants": (lambda: unit(Dyadic16, constants="rom"), "'rom'", "wired or ports"),
    "ports": (lambda: unit(TflSingle, constants="ports"), "dyadic16", "tfl_single"),
    "zeros": (
        lambda: unit(Dyadic16, channels=2, zero_x=(1, 2), source=INT8, constants="ports"),
        "zero points",
        "(1, 2)",
    ),
    "wide": (lambda: unit(TflSingle, source=IntFormat("int40", 40)), "tfl_single"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, *culprits = REFUSED[name]
    assert_refused(call, *culprits)
