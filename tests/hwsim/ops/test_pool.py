import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, INT32, UINT8, QType
from hwsim.ops import Pool
from tests.compare import assert_one_line, assert_same
from tests.oracles.floats import gfloat_values
from tests.oracles.one_op import batch, overflows, refuses, run, t
from tests.oracles.onnx_models import reference

FIELDS = {
    "2x2": {"kernel": (2, 2), "stride": (2, 2)},
    "overlapping": {"kernel": (3, 2)},
    "padded": {"kernel": (3, 3), "stride": (2, 2), "padding": ((1, 1), (1, 1))},
    "uneven": {"kernel": (2, 3), "stride": (1, 2), "padding": ((0, 1), (2, 0))},
    "global": {"kernel": (6, 7)},
}


def windows(op, x, outside):
    """All elements under every window, one list a result; `outside` stands for the border (None: nothing)."""
    (top, bottom), (left, right) = op.padding
    n, h, w, c = x.shape
    oh, ow = (
        (h + top + bottom - op.kernel[0]) // op.stride[0] + 1,
        (w + left + right - op.kernel[1]) // op.stride[1] + 1,
    )
    out = np.empty((n, oh, ow, c), object)
    for b, i, j, k in np.ndindex(out.shape):
        found = []
        for p, q in np.ndindex(op.kernel):
            r, s = i * op.stride[0] - top + p, j * op.stride[1] - left + q
            if 0 <= r < h and 0 <= s < w:
                found.append(int(x[b, r, s, k]))
            elif outside is not None:
                found.append(outside)
        out[b, i, j, k] = found
    return out


@pytest.mark.parametrize("fmt", [INT8, UINT8], ids=lambda f: f.name)
@pytest.mark.parametrize("name", FIELDS)
def test_max_by_python_integers_and_by_onnx(name, fmt):
    op = Pool(kind="max", **FIELDS[name])
    x = np.random.default_rng(0).integers(fmt.min_int, fmt.max_int + 1, (2, 6, 7, 3))
    y = run(op, batch(x, fmt, 0.5, 9))
    assert_same(np.vectorize(max)(windows(op, x, None)), y.codes)
    assert (y.type.scale, y.type.zero_point, y.type.fmt) == (0.5, 9, fmt)
    (top, bottom), (left, right) = op.padding
    attrs = {"kernel_shape": op.kernel, "strides": op.stride, "pads": [top, left, bottom, right]}
    theirs = reference("MaxPool", {"x": x.astype(np.float32).transpose(0, 3, 1, 2)}, "float32", **attrs)
    assert_same(theirs.transpose(0, 2, 3, 1), y.codes)


@pytest.mark.parametrize("zero", [0, 9, -128])
@pytest.mark.parametrize("name", FIELDS)
def test_mean_is_the_sum_on_a_finer_grid(name, zero):
    op = Pool(kind="mean", **FIELDS[name])
    x = np.random.default_rng(1).integers(-128, 128, (2, 6, 7, 3))
    y = run(op, batch(x, INT8, 0.5, zero))
    count = op.kernel[0] * op.kernel[1]
    assert_same(np.vectorize(sum)(windows(op, x, zero)), y.codes)
    assert (y.type.fmt, y.type.scale, y.type.zero_point) == (INT32, 0.5 / count, zero * count)


def test_mean_of_floats():
    x = np.arange(16).reshape(1, 4, 4, 1)
    y = run(Pool(kind="mean", kernel=(1, 2), stride=(1, 2)), batch(x, FP4_E2M1, 1.0))
    v = gfloat_values(FP4_E2M1)
    assert_same(((v[0::2] + v[1::2]) / 2).reshape(1, 4, 2, 1), y.dequantize())


def test_refusals():
    for call, culprits in (
        (lambda: Pool(kind="min", kernel=(2, 2)), ("'min'",)),
        (lambda: Pool(kind="max", kernel=(2, 2), padding=((2, 0), (0, 0))), ("((2, 0), (0, 0))", "(2, 2)")),
    ):
        with pytest.raises(ValueError, match="pool") as e:
            call()
        assert_one_line(e.value, *culprits)
    x = t("N", 6, 7, 2)
    two = Pool(kind="max", kernel=(2, 2))
    refuses(two, (t(6, 7, 2),), "(6, 7, 2)")
    refuses(two, (t("N", 1, 7, 2),), "(2, 2)", "(1, 7)")
    refuses(Pool(kind="max", kernel=(2, 2), stride=(0, 1)), (x,), "(0, 1)")
    refuses(two, (t("N", 6, 7, 2, scale=(1.0, 2.0), axis=3),), "per-channel")
    refuses(two, (t("N", 6, 7, 2, fmt=FP4_E2M1),), "fp4_e2m1")
    mean = Pool(kind="mean", kernel=(6, 7), fmt=INT8)
    refuses(mean, (t("N", 6, 7, 2, zero=10),), "420", "int8")
    overflows(mean, (x,), "-5376..5334", "int8")
    assert Pool(kind="mean", kernel=(6, 7), fmt=INT16).out_type(x) == QType(("N", 1, 1, 2), INT16, 1 / 42)
