import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, UINT8, UINT16, QType, simulate
from hwsim.formats import FP8_E4M3, INT64, UINT1, IntFormat
from hwsim.graph import Graph
from hwsim.kernels.encoding import encoded
from hwsim.ops import Add
from hwsim.qtensor import BATCH, encode

FORMATS = (INT8, UINT8, INT4, INT16, UINT16, INT32, UINT1, IntFormat("int8 narrow", 8, narrow=True))


def reals(scale, dtype):
    """Ties, neighbours of ties, the ends of every format, the smallest and the largest numbers."""
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    ties = (np.arange(-300, 300) + 0.5) * scale
    ends = np.array([k * scale * s for b in (4, 7, 8, 15, 16, 31) for s in (1, -1) for k in ((1 << b) - 1, 1 << b)])
    x = np.concatenate([ties, np.nextafter(ties, 0), np.nextafter(ties, np.inf), ends, rng.normal(0, 50 * scale, 400)])
    tiny = [info.smallest_subnormal, info.tiny, info.max]
    return np.concatenate([x.astype(dtype), np.array([0.0, -0.0, *tiny, *(-t for t in tiny)], dtype)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_codes_of_the_definition(fmt, dtype):
    for scale in (1.0, 0.1, 1e-30, 2.0**-20, 1e25):
        for zero in {0, 1, fmt.min_int, fmt.max_int}:
            t, x = QType((BATCH,), fmt, scale, zero), reals(scale, dtype)
            with np.errstate(over="ignore"):
                want, got = encode(x.astype(np.float64), t), encoded(x, t)
            assert got.dtype == fmt.dtype
            assert got.tolist() == want.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 5, 32])
def test_numbers_that_are_not_finite(bad, at):
    x = np.zeros(33, np.float32)
    x[at] = bad
    assert encoded(x, QType((BATCH,), INT8)) is None


@pytest.mark.parametrize(
    "t",
    [
        QType((BATCH,), FP8_E4M3),
        QType((BATCH,), INT64),
        QType((BATCH,), IntFormat("uint32", 32, signed=False)),
        QType((BATCH, 2), INT8, (1.0, 2.0), 0, 1),
        QType((BATCH, 2), INT8, 1.0, (1, 2), 1),
    ],
)
def test_types_without_a_kernel(t):
    assert encoded(np.zeros((3, 2)[: len(t.shape)], np.float32), t) is None


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, ">f4"])
def test_reals_without_a_kernel(dtype):
    assert encoded(np.zeros(3, dtype), QType((BATCH,), INT8)) is None


def test_any_shape_and_strides():
    t, x = QType((BATCH, 5, 4), INT8, 0.1, 3), np.random.default_rng(0).normal(0, 5, (4, 5, 6))
    for view in (x.T[:, :, ::2], x[..., ::-1], x[::2], x[:, :0], x[0, 0, 0]):
        got = encoded(view, t)
        assert got.shape == view.shape
        assert got.tolist() == encode(view, t).tolist()


def test_reals_in_any_order_reach_the_graph():
    g = Graph()
    x = g.input("x", QType((BATCH, 3, 4), INT8, 0.1, 3))
    g.output(g.add(Add(), x, x))
    values = np.random.default_rng(0).normal(0, 5, (4, 3, 6)).astype(np.float32).T[:, :, ::1]
    outs = [simulate(g, {"x": values}, engine=e) for e in ("numpy", "numba")]
    for name in outs[0]:
        assert outs[0][name].tolist() == outs[1][name].tolist()
