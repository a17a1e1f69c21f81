from fractions import Fraction

import numpy as np
import pytest

from codegen.runners.c import STRICT, compile_and_run, compilers
from hwsim import INT8, INT16, INT32, UINT8, Graph, OnnxFloat, QType, simulate
from hwsim.ops import FloatPool, Pool, Requant
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.oracles.exact import nearest_float32
from tests.oracles.one_op import batch, codes, refuses, run, t

WINDOWS = {
    "2x2": {"kernel": (2, 2), "stride": (2, 2)},
    "3x2 padded": {"kernel": (3, 2), "stride": (1, 2), "padding": ((1, 2), (0, 1))},
    "padding counts": {"kernel": (2, 3), "padding": ((0, 1), (2, 1)), "include_pad": True},
    "one": {"kernel": (1, 1), "stride": (2, 3)},
    "image": {"kernel": (5, 6)},
}
SCALE = 0.1


def single(v):
    return Fraction(float(np.float32(v)))


def exactly(op, x, scale, zero):
    """Every step on fractions, rounded to float32."""
    n, h, w, c = x.shape
    (top, bottom), (left, right) = op.padding
    oh = (h + top + bottom - op.kernel[0]) // op.stride[0] + 1
    ow = (w + left + right - op.kernel[1]) // op.stride[1] + 1
    y = np.zeros((n, oh, ow, c), np.int64)
    for s, i, j, k in np.ndindex(*y.shape):
        total, count = Fraction(0), 0
        for a, b in np.ndindex(*op.kernel):
            row, column = i * op.stride[0] + a - top, j * op.stride[1] + b - left
            inside = 0 <= row < h and 0 <= column < w
            count += inside or op.include_pad
            if inside:
                real = nearest_float32((int(x[s, row, column, k]) - zero) * single(scale))
                total = nearest_float32(total + real)
        units = nearest_float32(nearest_float32(total / count) / single(op.scale))
        y[s, i, j, k] = min(max(round(nearest_float32(units + op.zero_point)), op.fmt.min_int), op.fmt.max_int)
    return y


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16], ids=lambda f: f.name)
def test_every_step_rounds_once(name, fmt):
    """One type on both sides, which makes ties, and another one."""
    rng = np.random.default_rng(0)
    for step, zero in ((SCALE, 3), (0.037, 9)):
        op = FloatPool(**WINDOWS[name], fmt=fmt, scale=step, zero_point=zero)
        x = rng.integers(fmt.min_int, fmt.max_int + 1, (2, 5, 6, 3))
        x[0, :, :, 0], x[0, :, :, 1] = fmt.min_int, fmt.max_int
        assert_same(exactly(op, x, SCALE, 3), codes(op, batch(x, fmt, SCALE, 3)))


@pytest.mark.parametrize("name", WINDOWS)
def test_every_engine(name):
    rng = np.random.default_rng(1)
    for fmt, out in ((INT8, INT8), (UINT8, INT16), (INT16, UINT8)):
        x = rng.integers(fmt.min_int, fmt.max_int + 1, (20, 5, 6, 3)).astype(fmt.dtype)
        g = Graph("pool")
        source = g.input("x", QType(("N", 5, 6, 3), fmt, SCALE, 3))
        y = g.add(FloatPool(**WINDOWS[name], fmt=out, scale=SCALE, zero_point=3), source, name="y")
        g.output(g.add(Requant(contract=OnnxFloat(scale=(0.5,)), scale=2 * SCALE), y, name="z"))
        check_engines(g, {"x": x})


def test_ties_are_not_those_of_the_exact_mean():
    """Else this op would not be needed."""
    x = np.random.default_rng(2).integers(-128, 128, (50, 6, 6, 4))
    source = batch(x, INT8, SCALE, 3)
    total = run(Pool(kind="mean", kernel=(2, 2), stride=(2, 2), fmt=INT16), source)
    contract = OnnxFloat(scale=(0.25,), origin=3)
    exact = run(Requant(contract=contract, scale=SCALE, zero_point=3), total)
    assert (exact.codes != codes(FloatPool(**WINDOWS["2x2"], scale=SCALE, zero_point=3), source)).any()


@pytest.mark.parametrize("compiler", compilers())
def test_a_compiler_that_fuses_changes_nothing(compiler):
    """What -march=native and -ffp-contract=fast allow."""
    x = np.random.default_rng(3).integers(-128, 128, (300, 5, 6, 3)).astype(np.int8)
    g = Graph("pool")
    source = g.input("x", QType(("N", 5, 6, 3), INT8, SCALE, 3))
    g.output(
        *(
            g.add(FloatPool(**WINDOWS[w], scale=SCALE, zero_point=3), source, name=f"y{i}")
            for i, w in enumerate(("2x2", "3x2 padded"))
        )
    )
    flags = ("-O3", *STRICT, "-ffp-contract=fast", "-march=native")
    got = compile_and_run(g, {"x": x}, compilers()[compiler], flags, trace=False)
    for name, want in simulate(g, {"x": x}).items():
        assert_same(want, got[name], what=name)


def test_types():
    op = FloatPool(kernel=(2, 2), stride=(2, 2), fmt=UINT8, scale=0.5, zero_point=9)
    assert op.out_type(t("N", 5, 6, 3)) == QType(("N", 2, 3, 3), UINT8, 0.5, 9)


def test_refusals():
    op = FloatPool(kernel=(2, 2), scale=0.5)
    refuses(op, (t("N", 5, 6, 3, fmt=INT32),), "int32", "16 bits")
    refuses(op, (t(5, 6, 3),), "(5, 6, 3)", "(N, H, W, C)")
    refuses(op, (t("N", 1, 6, 3),), "kernel (2, 2)")
    refuses(op, (t("N", 5, 6, 3, scale=2.0**-61),), "scale", "rescale")
    refuses(FloatPool(kernel=(2, 2), scale=2.0**-55), (t("N", 5, 6, 3),), "rescale")
    refuses(op, (t("N", 5, 6, 2, scale=(0.1, 0.2), axis=3),), "per-channel")
    assert_refused(lambda: FloatPool(kernel=(2, 2), padding=((2, 0), (0, 0)), scale=0.5), "padding ((2, 0), (0, 0))")
