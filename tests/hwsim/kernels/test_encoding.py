"""Reals become codes on their way through a plan: every code is the definition's, and so is every complaint."""

import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, UINT8, UINT16, QType, simulate
from hwsim.formats import FP8_E4M3, INT64, UINT1, IntFormat
from hwsim.graph import Graph
from hwsim.jit import jit
from hwsim.kernels.encoding import NotFiniteError, encodes, numbers
from hwsim.kernels.plans import plan_of
from hwsim.kernels.reciprocal import BLOCK, DOUBLE, SINGLE, double, single
from hwsim.kernels.worker import Worker
from hwsim.ops import Add
from hwsim.qtensor import BATCH, encode

FORMATS = (INT8, UINT8, INT4, INT16, UINT16, INT32, IntFormat("int8 narrow", 8, narrow=True))

SCALES = (1.0, 0.1, 1e-30, 2.0**-20, 1e25, 3e-39, 2.0**-149, 1e-310, 5e-324, 1e38, 3.1e38, 1e45, 1e300)
"""Some are no float32, of others the reciprocal is none."""


def reals(scale, dtype):
    """Ties, neighbours of ties, the ends of every format, the smallest and the largest numbers."""
    rng, info = np.random.default_rng(0), np.finfo(dtype)
    ties = (np.arange(-300, 300) + 0.5) * scale
    ends = np.array([k * scale * s for b in (4, 7, 8, 15, 16, 31) for s in (1, -1) for k in ((1 << b) - 1, 1 << b)])
    x = np.concatenate([ties, np.nextafter(ties, 0), np.nextafter(ties, np.inf), ends, rng.normal(0, 50 * scale, 400)])
    tiny = [info.smallest_subnormal, info.tiny, info.max]
    with np.errstate(over="ignore"):
        x = np.concatenate([x.astype(dtype), np.array([0.0, -0.0, *tiny, *(-t for t in tiny)], dtype)])
    return np.concatenate([x[np.isfinite(x)], np.zeros(200, dtype)])


@jit
def multiplied(y, x, blocks, of, is_single):
    """Whether codes of so many blocks may differ."""
    return single(y, x, blocks, of) if is_single else double(y, x, blocks, of)


def itself(t):
    """A graph whose output is its input: the plan encodes it, and copies the codes."""
    g = Graph()
    g.output(g.input("x", t))
    return g


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fmt", FORMATS, ids=lambda f: f.name)
def test_codes_of_the_definition(fmt, dtype):
    for scale in SCALES:
        for zero in {0, 1, fmt.min_int, fmt.max_int}:
            t, x = QType((BATCH,), fmt, scale, zero), reals(scale, dtype)
            assert encodes(x, t)
            with np.errstate(over="ignore"):
                want = encode(x.astype(np.float64), t)
            got = simulate(itself(t), {"x": x})["x"]
            assert got.dtype == fmt.dtype
            assert got.tolist() == want.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("fmt", [INT8, UINT8, INT4], ids=lambda f: f.name)
def test_products_in_place_of_quotients(fmt, dtype):
    """Numbers of every size that fill blocks, no tie among most of them; scales whose reciprocals are not exact."""
    rng, zero = np.random.default_rng(0), fmt.max_int // 3
    for scale in rng.uniform(1e-3, 10, 20):
        t, spread = QType((BATCH,), fmt, float(scale), zero), 10.0 ** rng.integers(-3, 4, 3000)
        x = (rng.normal(0, 1, 3000) * spread * scale * (fmt.max_int - zero)).astype(dtype)
        assert simulate(itself(t), {"x": x})["x"].tolist() == encode(x.astype(np.float64), t).tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whether_a_product_may_differ(dtype):
    """Asked for where a quotient is near a tie or is not finite, in any place, and nowhere else."""
    t = QType((BATCH,), INT8, 0.1, -7)
    x = np.full(2 * BLOCK, 0.3, dtype)
    y = np.empty(x.size, np.int8)
    given = (y.ctypes.data, x.ctypes.data, 2, numbers(t)[1:].copy())

    def unsure():
        return multiplied(*given[:3], given[3].ctypes.data, dtype == np.float32)

    assert not unsure()
    assert y.tolist() == [-4] * x.size
    for at in range(x.size):
        for other in (0.35, -0.25, np.nextafter(dtype(0.35), dtype(1)), np.nan, np.inf, -np.inf):
            x[at], kept = other, x[at]
            assert unsure()
            x[at] = kept
    x[5:8] = 1e30, -1e30, 12.0
    assert not unsure()
    assert y[4:9].tolist() == [-4, 127, -128, 113, -4]


@pytest.mark.parametrize(("kind", "dtype"), [(SINGLE, np.float32), (DOUBLE, np.float64)])
def test_where_the_margin_ends(kind, dtype):
    """At three roundings of 257 it must be asked for, at twice that no more; scale 1 makes products exact."""
    least = 257 * 3 * 2.0 ** -(kind.fraction + 1)
    keep, y = numbers(QType((BATCH,), INT8))[1:].copy(), np.empty(BLOCK, np.int8)
    for off, want in ((least, True), (2 * least, False)):
        for tie in (0.5, -0.5, 100.5):
            for side in (-1, 1):
                x = np.zeros(BLOCK, dtype)
                x[9] = tie + side * off
                assert multiplied(y.ctypes.data, x.ctypes.data, 1, keep.ctypes.data, dtype == np.float32) == want


def test_reciprocals_that_would_be_flushed():
    """As torch.set_flush_denormal does; a float32 that is so small is never asked for."""
    for scale in (8e37, 9e37, 1e38, 1e300):
        reciprocal = numbers(QType((BATCH,), INT8, scale))[4]
        assert reciprocal == (np.inf if scale > 8.5e37 else 1 / scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("n", "at"), [(33, 0), (33, 5), (33, 32), (1000, 0), (1000, 700), (1000, 999)])
@pytest.mark.parametrize("threads", [1, 2])
def test_numbers_that_are_not_finite(threads, n, at, bad):
    """Named by their place in the whole batch, at the first run and at the next; the one after them is right."""
    g, x = itself(QType((BATCH,), INT4)), np.arange(n, dtype=np.float32) % 7
    want = simulate(g, {"x": x}, engine="numpy")["x"].tolist()
    for _ in range(2):
        x[at], kept = bad, x[at]
        with pytest.raises(ValueError, match=rf"input 'x': {bad} at index \({at},\); only finite"):
            simulate(g, {"x": x}, threads=threads)
        x[at] = kept
        assert simulate(g, {"x": x}, threads=threads)["x"].tolist() == want


OTHERS = {
    "a shape": np.zeros((3, 5), np.int8),
    "codes outside": np.full((3, 4), 99, np.int8),
    "a dtype": np.zeros((3, 4), complex),
    "a number of samples": np.zeros((2, 4), np.int8),
    "reals": np.full((3, 4), np.nan),
}


@pytest.mark.parametrize("second", OTHERS)
def test_of_several_faults_the_same_is_named(second):
    g, reals = Graph(), np.zeros((3, 4))
    g.output(g.input("a", QType((BATCH, 4), INT8)), g.add(Add(), *[g.input("b", QType((BATCH, 4), INT4))] * 2))
    reals[1, 2] = np.nan
    for engine in ("numpy", "numba"):
        with pytest.raises(ValueError, match=r"^input 'a': nan at index \(1, 2\)"):
            simulate(g, {"a": reals, "b": OTHERS[second]}, engine=engine)


def test_no_code_outside_the_format_is_ever_read():
    """What reads codes before the complaint reads some of the format."""
    worker, x, y = Worker(plan_of(itself(QType((BATCH,), INT4, 1.0, 3)), False)), np.zeros(40), np.empty(40, np.int8)
    worker.run({"x": x}, slice(0, 40), {"x": y})
    x[::2] = np.nan
    with pytest.raises(NotFiniteError):
        worker.run({"x": x}, slice(0, 40), {"x": y})
    (bound,) = worker.bound.values()
    assert bound.results["x"].tolist() == [-8, 3] * 20


@pytest.mark.parametrize(
    "t",
    [
        QType((BATCH,), FP8_E4M3),
        QType((BATCH,), UINT1),
        QType((BATCH,), INT64),
        QType((BATCH,), IntFormat("uint32", 32, signed=False)),
        QType((BATCH,), IntFormat("uint24", 24, signed=False)),
        QType((BATCH, 2), INT8, (1.0, 2.0), 0, 1),
        QType((BATCH, 2), INT8, 1.0, (1, 2), 1),
    ],
)
def test_types_without_a_kernel(t):
    x = np.zeros((3, 2)[: len(t.shape)], np.float32)
    assert not encodes(x, t)
    assert simulate(itself(t), {"x": x})["x"].tolist() == encode(x.astype(np.float64), t).tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, ">f4"])
def test_reals_without_a_kernel(dtype):
    t, x = QType((BATCH,), INT8), np.arange(3).astype(dtype)
    assert not encodes(x, t)
    assert simulate(itself(t), {"x": x})["x"].tolist() == [0, 1, 2]


def test_any_strides_and_kinds_one_after_another():
    """Contiguous or not, float32, float64, codes: each in turn on one plan."""
    g = Graph()
    x = g.input("x", QType((BATCH, 3, 4), INT8, 0.1, 3))
    g.output(g.add(Add(), x, x))
    some = np.random.default_rng(0).normal(0, 5, (4, 3, 6))
    for values in (some.T, some.astype(np.float32).T, some.T[::-1], some.T.copy(), encode(some.T, x.type)):
        for n in (6, 1):
            outs = [simulate(g, {"x": values[:n]}, engine=e) for e in ("numpy", "numba")]
            for name in outs[0]:
                assert outs[0][name].tolist() == outs[1][name].tolist()
