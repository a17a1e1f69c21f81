import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim import FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, UINT8
from hwsim.observers import OBSERVERS, activation_type, minmax, mse, percentile, pow2_up
from hwsim.qtensor import QTensor, encode
from tests.compare import assert_one_line, assert_refused

reals = st.floats(-1e6, 1e6, allow_subnormal=False, width=32)


@given(reals, reals, st.sampled_from([INT8, UINT8, INT4, INT16, FP8_E4M3, FP4_E2M1]), st.booleans(), st.booleans())
def test_the_type_covers_the_range_and_zero(a, b, fmt, symmetric, power_of_two):
    lo, hi = min(a, b), max(a, b)
    if symmetric and fmt is UINT8:
        lo, hi = abs(lo), max(abs(lo), hi)
    t = activation_type((3,), fmt, (lo, hi), symmetric=symmetric, power_of_two=power_of_two)
    x = np.array([lo, hi, 0.0])
    got = QTensor(t, encode(x, t)).dequantize()
    step = np.array([float(t.lsb)] * 3)
    if fmt in (FP8_E4M3, FP4_E2M1):
        step = np.maximum(step, np.abs(x) / (8 if fmt is FP8_E4M3 else 2))  # a float's step grows with its size
    assert (np.abs(got - x) <= 0.5 * step * (1 + 1e-9)).all()
    assert got[2] == 0
    if symmetric:
        assert t.zero_point == 0
    if power_of_two:
        assert np.frexp(t.scale)[0] == 0.5


def test_asymmetric_ranges_use_all_codes():
    t = activation_type(("N", 3), UINT8, (-1.0, 4.1))
    assert (t.scale, t.zero_point, t.shape) == (5.1 / 255, 50, ("N", 3))
    t = activation_type((3,), INT8, (0.5, 25.5))
    assert (t.scale, t.zero_point) == (0.1, -128)
    t = activation_type((3,), INT8, (-25.5, -3.0))
    assert (t.scale, t.zero_point) == (0.1, 127)
    t = activation_type((3,), INT8, (-12.7, 3.0), symmetric=True)
    assert t.scale == pytest.approx(0.1)
    assert activation_type((3,), FP8_E4M3, (-448.0, 3.0)).scale == 1.0


def test_a_range_of_nothing_has_a_scale():
    for fmt in (INT8, UINT8, FP8_E4M3):
        for symmetric in (False, True):
            t = activation_type((3,), fmt, (0.0, 0.0), symmetric=symmetric, power_of_two=True)
            assert t.scale == 1.0
            assert encode(np.zeros(3), t).tolist() == [t.zero_point] * 3


def test_refusals():
    for seen in ((np.nan, 1.0), (0.0, np.inf), (-np.inf, 0.0)):
        with pytest.raises(ValueError, match="range") as e:
            activation_type((3,), INT8, seen)
        assert_one_line(e.value, str(seen))
    assert_refused(
        lambda: activation_type((3,), UINT8, (-0.5, 1.0), symmetric=True), "uint8 cannot hold -0.5", "signed"
    )


def int4_type(seen):
    return activation_type((), INT4, seen)


def test_minmax_and_percentile():
    x = np.arange(-5000.0, 5001.0)
    np.random.default_rng(0).shuffle(x)
    assert minmax(x, int4_type) == (-5000.0, 5000.0)
    assert percentile(x, int4_type) == pytest.approx((-4999.0, 4999.0))
    assert percentile(np.array([2.0]), int4_type) == (2.0, 2.0)
    assert percentile(np.concatenate([np.zeros(10**5), [1e9]]), int4_type) == (0.0, 0.0)


def mean_square(x, seen):
    t = int4_type(seen).reshaped(x.shape)
    return np.square(QTensor(t, encode(x, t)).dequantize() - x).mean()


def test_mse_takes_the_share_of_the_range_with_the_least_error():
    rng = np.random.default_rng(1)
    for x in (rng.normal(size=4000), np.append(rng.normal(size=4000), 60.0), rng.uniform(0, 1, 500), np.zeros(9)):
        errors = [mean_square(x, (x.min() * k / 64, x.max() * k / 64)) for k in range(1, 65)]
        assert mean_square(x, mse(x, int4_type)) == min(errors)
    bell = rng.normal(size=4000)
    assert mse(bell, int4_type)[1] < 0.9 * bell.max()
    assert mse(np.array([[-1.0], [3.0]]), int4_type) == (-1.0, 3.0)


def test_the_registry():
    assert OBSERVERS["minmax"] is minmax
    assert OBSERVERS["percentile"] is percentile
    assert OBSERVERS["mse"] is mse


@given(st.floats(1e-300, 1e300))
def test_pow2_up_is_the_next_power_of_two(scale):
    p = pow2_up(scale)
    assert np.frexp(p)[0] == 0.5
    assert p / 2 < scale <= p
    assert pow2_up(p) == p
