import numpy as np
import pytest

import hwsim
from hwsim import FORMATS, FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, INT64, TERNARY, UINT8, QTensor, QType, quantize
from hwsim.formats import FP8_E4M3FNUZ, IntFormat
from hwsim.qtensor import check_codes, encode, symmetric_scale
from tests.compare import all_codes, assert_refused, assert_same
from tests.oracles.onnx_models import reference

ZERO_POINTS = {"int8": (0, 3, -7, -128, 127), "uint8": (0, 128, 131, 255), "int16": (0, 5, -32768), "uint16": (0, 999)}


def onnx_quantize(x, dtype, scale, zero_point, axis):
    given = {"x": x, "s": np.asarray(scale, np.float32), "z": np.asarray(zero_point, dtype)}
    return reference("QuantizeLinear", given, dtype, **({} if axis is None else {"axis": axis}))


def halves(rng, scale, shape):
    """Multiples of half a step, so half of them tie; past both ends of 16 bits too."""
    steps = rng.integers(-150_000, 150_000, shape) // rng.choice([1, 100, 400], shape)
    return (steps * 0.5 * np.asarray(scale)).astype(np.float32)


@pytest.mark.parametrize("dtype", ZERO_POINTS)
def test_quantize_per_tensor_is_onnx_quantize_linear(dtype):
    rng = np.random.default_rng(0)
    for scale in (1.0, 0.125, 0.75):
        for zero_point in ZERO_POINTS[dtype]:
            x = halves(rng, scale, 3000)
            got = quantize(x, FORMATS[dtype], scale=scale, zero_point=zero_point)
            assert_same(onnx_quantize(x, dtype, scale, zero_point, None), got.codes, x, what=f"{scale} {zero_point}")
            ties = np.abs(np.fmod(x / np.float32(scale), 1)) == 0.5
            assert ties.sum() > 500
            info = np.iinfo(dtype)
            assert (got.codes == info.min).any()
            assert (got.codes == info.max).any()


@pytest.mark.parametrize("dtype", ZERO_POINTS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_quantize_per_channel_is_onnx_quantize_linear(dtype, axis):
    rng = np.random.default_rng(axis)
    shape = (4, 5, 6)
    scale = np.ldexp(np.float32(1), rng.integers(-4, 3, shape[axis]))
    zero = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, shape[axis])
    along = [-1 if i == axis else 1 for i in range(3)]
    x = halves(rng, scale.reshape(along), shape)
    ours = quantize(x, FORMATS[dtype], scale=scale, zero_point=zero, axis=axis)
    assert_same(onnx_quantize(x, dtype, scale, zero, axis), ours.codes, x)
    given = {"c": ours.codes, "s": scale, "z": zero.astype(dtype)}
    assert_same(reference("DequantizeLinear", given, "float32", axis=axis), ours.dequantize(), ours.codes)
    assert_same(ours.codes, quantize(x, FORMATS[dtype], scale=scale, zero_point=zero, axis=axis - 3).codes, x)


@pytest.mark.parametrize("dtype", ZERO_POINTS)
def test_dequantize_is_onnx_dequantize_linear_on_all_codes(dtype):
    fmt = FORMATS[dtype]
    for zero_point in ZERO_POINTS[dtype]:
        t = QTensor(QType((1 << fmt.bits,), fmt, 0.375, zero_point), all_codes(fmt))
        given = {"c": t.codes, "s": np.float32(0.375), "z": np.asarray(zero_point, dtype)}
        assert_same(reference("DequantizeLinear", given, "float32"), t.dequantize(), t.codes)


def test_the_zero_point_comes_after_rounding():
    x = np.array([0.5, 1.5, -0.5, 2.5])
    assert_same([3, 5, 3, 5], quantize(x, INT8, scale=1.0, zero_point=3).codes, x)  # before it: 4, 4, 2, 6


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_quantize_is_the_inverse_of_dequantize(fmt):
    codes = all_codes(fmt) if fmt.bits <= 16 else np.array([fmt.min_code, -1 * fmt.signed, 0, 1, 2**20], fmt.dtype)
    t = QTensor(QType(codes.shape, fmt, 0.75), codes)
    x = np.where(t.to_int() == 0, np.where(codes == 0, 0.0, -0.0), t.dequantize())
    assert_same(codes, quantize(x, fmt, scale=0.75).codes, codes)


@pytest.mark.parametrize("fmt", [f for f in FORMATS.values() if f.min_int < 0 and f.bits < 64], ids=lambda f: f.name)
def test_the_default_scale_puts_the_largest_number_on_the_largest_code(fmt):
    x = np.array([[-3.0, 0.5], [1.0, 0.25], [0.0, 0.0]])
    whole, rows = quantize(x, fmt), quantize(x, fmt, axis=0)
    assert whole.to_int().min() == -fmt.max_int
    assert_same([-fmt.max_int, fmt.max_int, 0], rows.to_int()[:, 0])
    assert rows.type.scale[2] == 1.0
    assert rows.type.axis == 0


def test_int64_saturates_at_its_own_ends():
    x = np.array([2.0**70, -(2.0**70), 2.0**62, -(2.0**62)])
    assert_same([2**63 - 1, -(2**63), 2**62, -(2**62)], quantize(x, INT64, scale=1.0).codes, x)


def test_reals_past_float64_once_divided_saturate_without_a_warning():
    x = np.array([1.7e308, -1.7e308])
    assert_same([127, -128], quantize(x, INT8, scale=1e-3).codes, x)
    assert_same([0x7E, 0xFE], quantize(x, FP8_E4M3, scale=1e-3).codes, x)


def test_rounding_is_passed_on():
    x = np.array([-2.5, -0.5, 0.5, 2.5])
    assert_same([-2, 0, 1, 3], quantize(x, INT8, scale=1.0, rounding="half_up").codes, x)
    assert_same([-3, -1, 1, 3], quantize(x, INT8, scale=1.0, rounding="half_away").codes, x)
    noisy = quantize(np.full(1000, 0.25), INT8, scale=1.0, rounding="stochastic", rng=np.random.default_rng(0))
    assert set(noisy.codes.tolist()) == {0, 1}


REFUSED = {
    "nan": (lambda: quantize([1.0, np.nan], INT8), "nan", "(1,)"),
    "inf": (lambda: quantize([[1.0, -np.inf]], INT8), "-inf", "(0, 1)"),
    "zero scale": (lambda: quantize([1.0], INT8, scale=0.0), "scale 0.0"),
    "negative scale": (lambda: quantize([1.0], INT8, scale=-2.0), "scale -2.0"),
    "nan scale": (lambda: quantize([1.0], INT8, scale=np.nan), "scale nan"),
    "inf scale": (lambda: quantize([1.0], INT8, scale=[np.inf], axis=0), "inf"),
    "axis": (lambda: quantize(np.ones((2, 3)), INT8, scale=[1.0] * 3, axis=2), "axis 2", "(2, 3)"),
    "far axis": (lambda: quantize(np.ones((2, 3)), INT8, axis=-3), "axis -3"),
    "no axis": (lambda: quantize(np.ones(2), INT8, scale=[1.0, 2.0]), "axis None"),
    "scalar axis": (lambda: quantize(3.0, INT8, axis=0), "axis 0"),
    "count": (lambda: quantize(np.ones((2, 3)), INT8, scale=[1.0, 2.0], axis=1), "3", "got 2"),
    "scale of two axes": (lambda: quantize(np.ones((2, 2)), INT8, scale=np.ones((2, 2)), axis=0), "scale"),
    "zero point": (lambda: quantize([1.0], INT8, scale=1.0, zero_point=128), "zero_point 128", "int8"),
    "zero point between codes": (lambda: quantize([1.0], INT8, scale=1.0, zero_point=0.7), "0.7"),
    "float zero point": (lambda: quantize([1.0], FP4_E2M1, scale=1.0, zero_point=1), "zero_point 1", "fp4_e2m1"),
    "rounding": (lambda: quantize([1.0], INT8, rounding="up"), "'up'"),
    "text": (lambda: quantize(["one"], INT8), "'one'"),
    "empty": (lambda: quantize(np.ones((2, 0)), INT8), "(2, 0)"),
    "inner batch": (lambda: QType((3, "N"), INT8), "'N'"),
    "size": (lambda: QType((3, 0), INT8), "(3, 0)"),
    "codes shape": (lambda: QTensor(QType((2,), INT8), np.zeros(3, np.int8)), "(3,)", "(2,)"),
    "codes dtype": (lambda: QTensor(QType((2,), INT8), np.zeros(2, np.int16)), "int16", "int8"),
    "no code": (lambda: QTensor(QType((2,), INT4), np.array([1, 9], np.int8)), "9", "(1,)", "int4"),
    "narrow": (lambda: QTensor(QType((1,), TERNARY), np.array([-2], np.int8)), "-2", "ternary"),
    "nan code": (lambda: QTensor(QType((1,), FP8_E4M3), np.array([0xFF], np.uint8)), "255", "fp8_e4m3"),
    "big code": (lambda: QTensor(QType((1,), FP4_E2M1), np.array([16], np.uint8)), "16", "fp4_e2m1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_line_that_names_the_culprit(name):
    assert_refused(*REFUSED[name])


def test_a_long_scale_does_not_flood_the_message():
    with pytest.raises(ValueError, match="scale") as e:
        quantize(np.ones(1000), INT8, scale=[-1.0] * 1000, axis=0)
    assert len(str(e.value)) < 200


def test_check_codes_counts():
    with pytest.raises(ValueError, match=r"here: 200 at index \(1,\) is no number of int8 \(2 such\)"):
        check_codes(np.array([1, 200, 300]), INT8, "here")
    check_codes(np.array([-128, 127]), INT8)


def test_types_know_their_shapes():
    t = QType(("N", 2, 3), UINT8, (0.5, 1.0), (3, 4), axis=1)
    assert (t.batched, t.sample_shape, t.elements) == (True, (2, 3), 6)
    assert_same([[[0.5], [1.0]]], t.along_axis(t.scale))
    assert_same([0.5, 1.0], t.lsb)
    assert_same([0.25], np.atleast_1d(QType((), FP4_E2M1, 0.5).lsb))
    assert t.reshaped((7, 2)).shape == (7, 2)
    assert hwsim.BATCH == "N"


def test_gains_are_steps_over_the_smallest():
    assert_same([4, 1, 2], QType((3,), FP4_E2M1, (1.2, 0.3, 0.6), axis=0).gains)
    assert QType((3,), FP4_E2M1, 0.3).gains == 1
    assert_refused(lambda: QType((2,), INT8, (1.0, 1.5), axis=0).gains, "(1.0, 1.5)", "axis 0", "powers of two")
    assert_refused(lambda: QType((2,), INT8, (1.0, 2.0**-31), axis=0).gains, "2**30")


def test_encode_takes_any_batch():
    t = QType(("N", 2), INT16, (0.5, 0.25), axis=1)
    assert_same([[2, 4], [-2, -4], [0, 2]], encode(np.array([[1.0, 1.0], [-1.0, -1.0], [0.25, 0.5]]), t))


def test_symmetric_scale_covers():
    x = np.random.default_rng(3).normal(size=(40, 5))
    for fmt in (INT8, FP4_E2M1, IntFormat("int11", 11)):
        scale = np.asarray(symmetric_scale(x, fmt, 1))
        reach = scale * np.ldexp(float(fmt.max_int), fmt.lsb_exp)
        assert np.allclose(np.abs(x).max(0), reach, rtol=1e-15)


def test_scales_and_zero_points_of_numpy_become_plain_numbers():
    t = QType((2,), INT8, np.float64(0.5), np.int64(3))
    assert (type(t.scale), type(t.zero_point)) == (float, int)
    many = QType((2,), INT8, tuple(np.float32([0.5, 0.25])), axis=0)
    assert all(type(s) is float for s in many.scale)


@pytest.mark.parametrize("fmt", [*FORMATS.values(), FP8_E4M3FNUZ], ids=lambda f: f.name)
def test_narrow_integers_are_the_integers(fmt):
    codes = all_codes(fmt) if fmt.bits <= 16 else np.array([fmt.min_code, 0, 1, fmt.max_code], fmt.dtype)
    t = QTensor(QType(codes.shape, fmt), codes)
    assert np.array_equal(t.narrow(), t.to_int())
    assert t.narrow().dtype.itemsize <= 4 or fmt.max_int >= 1 << 31


def test_narrow_integers_are_less_the_zero_point():
    t = QTensor(QType((2, 2), INT8, 1.0, (-128, 127), axis=1), np.array([[127, -128], [0, 1]], np.int8))
    assert t.narrow().tolist() == [[255, -255], [128, -126]]


def test_codes_outside_are_named_whatever_the_format():
    for fmt, codes in ((INT4, [7, -8, 8]), (TERNARY, [0, 1, -2]), (FP8_E4M3, [0, 1, 127])):
        with pytest.raises(ValueError, match=r"at index \(2,\) is no number") as e:
            check_codes(np.array(codes, fmt.dtype), fmt)
        assert "(1 such)" in str(e.value)
