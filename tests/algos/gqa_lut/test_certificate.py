"""The certificate against brute force: every partition, every line."""

from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.gqa_lut import FUNCTIONS, METHODS, Fit, Function, Task, fit
from algos.gqa_lut.certificate import POINTS, Points, common_optimum, optimum
from algos.gqa_lut.search import Tables
from hwsim import INT4, INT16, IntFormat
from hwsim.app.fit_lut import verdict
from hwsim.segments import best_ends, best_line, line_costs, line_through, moments, run_errors
from hwsim.tables import Stored
from tests.compare import assert_refused

NOBODY = np.array([], np.int64)
INT10, INT12 = IntFormat("int10", 10), IntFormat("int12", 12)


def brute_partition(task, n):
    """Least mean square error over all breakpoints and all integer lines, by trying them."""
    x, y = task.reals(n), task.targets(n) * task.one
    reach = range(-task.reach, task.reach)
    tails = task.alone(n).tails
    must = np.isin(x, task.function.exact)

    def run(i, j, e):
        tail = tails[0] if e == 0 else tails[1] if e == task.entries - 1 else None
        least = 0.0 if i == j else np.inf
        for k, b in [tail] if tail else product(reach, reach):
            r = k * x[i:j] + b - y[i:j]
            if not r[must[i:j]].any():
                least = min(least, float(np.sum(r**2)))
        return least

    costs = {}
    best = np.inf
    for inner in combinations(np.repeat(np.arange(x.size + 1), task.entries - 1), task.entries - 1):
        cuts = (0, *inner, x.size)
        if list(cuts) != sorted(cuts):
            continue
        total = 0.0
        for e, (i, j) in enumerate(pairwise(cuts)):
            role = 0 if e == 0 else 2 if e == task.entries - 1 else 1
            if (i, j, role) not in costs:
                costs[i, j, role] = run(i, j, e)
            total += costs[i, j, role]
        best = min(best, total)
    return best / x.size / task.one**2


@pytest.mark.parametrize("name", ["gelu", "exp", "sin", "tanh"])
@pytest.mark.parametrize("entries", [2, 3])
def test_the_optimum_is_what_brute_force_finds(name, entries):
    task = Task.of(name, entries, fmt=INT4, scales=(1,), bits=5, fraction=3)
    got = optimum(task)
    assert got.mse == pytest.approx(brute_partition(task, 1), rel=1e-9, abs=1e-15)
    assert got.bound == got.mse


def square(x):
    return x * x


# Pinned at an end, in the middle, at two points (one line cannot serve both), and where a tail's line misses one.
PINNED = {
    "end": Function(name="end", fn=square, span=(-2, 1.5), exact=(1.5,)),
    "middle": Function(name="middle", fn=square, span=(-2, 2), exact=(0.0,)),
    "two": Function(name="two", fn=square, span=(-2, 2), exact=(-0.5, 1.5)),
    "tail": Function(name="tail", fn=square, span=(-1, 2), exact=(-0.5, 1.5), tails=((0, 0), None)),
}


@pytest.mark.parametrize("name", PINNED)
@pytest.mark.parametrize("entries", [2, 3])
def test_the_best_of_the_exact_tables_is_what_brute_force_finds(name, entries):
    task = Task.of(PINNED[name], entries, fmt=INT4, scales=(1,), bits=6, fraction=2)
    assert task.reals(1)[task.pins(1)].tolist() == list(task.function.exact)
    got = fit(PINNED[name], entries, fmt=INT4, scales=(1,), bits=6, fraction=2)
    assert got.mse == got.bound == pytest.approx(brute_partition(task, 1), rel=1e-9, abs=1e-15)
    assert entries > 2 or got.mse > optimum(free(task)).mse
    assert got.inexact == ()


def free(task):
    """The same task without exact points."""
    return Task.of(
        Function(**{**vars(task.function), "exact": ()}), task.entries, fmt=INT4, scales=(1,), bits=6, fraction=2
    )


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("entries", [4, 5, 7, 8, 12, 16, 24, 32, 48, 64])
def test_exp_of_0_is_1(entries, shared):
    got = fit("exp", entries, shared=shared)
    for n in range(7):
        table = got.table(n)
        assert table.run((_type(n),), np.zeros(1, np.int8))[0] * table.scale == 1
    assert got.inexact == ()
    assert got.gap >= 0


@pytest.mark.parametrize(("fmt", "n", "bits"), [(INT10, 6, 8), (INT16, 12, 12), (INT16, 11, 16)])
def test_exp_of_0_is_1_where_codes_are_many(fmt, n, bits):
    got = fit("exp", 8, fmt=fmt, scales=(n, n - 1), bits=bits, fraction=bits - 2)
    assert got.inexact == ()
    assert got.bound <= got.mse <= 1.5 * got.bound


def test_formats_without_the_number_are_not_held_to_it():
    got = fit("exp", 4, bits=7, fraction=6, scales=(4,))  # 63 / 64 at most
    assert not got.task.pins(4).any()
    assert got.gap == 0
    two = Function(name="two", fn=square, span=(-2, 2), exact=(-2.0, -1.0, 0.0, 1.0, 2.0))
    assert_refused(lambda: fit(two, 2, scales=(2,)), "2 lines", "two", "(-2.0, -1.0, 0.0, 1.0, 2.0)")
    assert fit(two, 4, scales=(2, 3), bits=10).inexact == ()


def test_a_table_that_misses_the_point_may_pass_the_bound_and_says_so():
    task = Task.of("exp", 3, scales=(5,))
    loose = Function(**{**vars(FUNCTIONS["exp"]), "exact": ()})
    got = Fit(task=task, method="imported", seed=None, stored=fit(loose, 3, scales=(5,)).stored)
    assert got.mse < got.bound
    assert got.inexact == (0.0,)
    assert "below the bound" in verdict(got)
    assert "not exact at 0" in verdict(got)
    assert "outer" not in verdict(got)


def test_line_through_is_the_best_of_all_lines_that_pass():
    rng = np.random.default_rng(3)
    for trial in range(300):
        n = int(rng.integers(1, 7))
        x, y = np.sort(rng.integers(-20, 20, n)) / 4.0, np.rint(rng.normal(0, 4, n))
        w, pins = rng.uniform(0.1, 2, n), rng.permutation(n)[: int(rng.integers(1, 3))]
        error, k, b = line_through(moments(w, x, y)[:, -1], x[pins], y[pins], 8, 1e-6)
        passing = [(i, j) for i, j in product(range(-8, 8), repeat=2) if (i * x[pins] + j == y[pins]).all()]
        least = min((np.sum(w * (i * x + j - y) ** 2) for i, j in passing), default=np.inf)
        assert error == pytest.approx(least, rel=1e-9, abs=1e-9), trial
        assert not passing or (k, b) in passing


def test_best_line_is_the_best_of_all_lines():
    rng = np.random.default_rng(0)
    for trial in range(200):
        n = int(rng.integers(1, 7))
        x = np.sort(rng.integers(-20, 20, n)) / 4.0
        y, w = rng.normal(0, 2.0 ** rng.integers(-1, 6), n), rng.uniform(0.1, 2, n)
        error, k, b = best_line(moments(w, x, y)[:, -1], 8, 1e-6)
        lines = np.array([(np.sum(w * (i * x + j - y) ** 2)) for i, j in product(range(-8, 8), repeat=2)])
        assert error == pytest.approx(lines.min(), rel=1e-9, abs=1e-9), trial
        assert np.sum(w * (k * x + b - y) ** 2) == pytest.approx(error, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n", [0, 7, 13, 14])
def test_two_neighbouring_codes_have_a_slope_at_every_step(n):
    """Pairs of far-apart values at any step: one line each is exact where the slope fits."""
    step = 2.0**-n
    wild = Function(
        name="wild", fn=lambda x: np.where(np.rint(x / step) % 2, 30, -30) * step, span=(-8 * step, 7 * step)
    )
    got = fit(wild, 8, scales=(n,), fmt=INT4, fraction=0, bits=8)
    codes = np.arange(-8, 8).reshape(8, 2)
    lines = [(a, b) for a in range(-128, 128) for b in range(-128, 128) if abs(b) < 2 or n == 0]
    k, b = np.array(lines).T[:, :, None]
    least = [np.min(np.sum((k * c * step + b - wild.fn(c * step)) ** 2, 1)) for c in codes]
    assert got.gap == 0
    assert got.mse <= np.sum(least) / 16 * (1 + 1e-9)


def test_runs_are_sums_of_their_points():
    x, y = np.arange(9) / 4, np.random.default_rng(1).normal(0, 5, 9)
    errors, slopes, intercepts = run_errors(moments(np.ones(9), x, y), 16, 1e-3, NOBODY, x[:0], y[:0])
    for i, j in combinations(range(10), 2):
        got = np.sum((slopes[i, j] * x[i:j] + intercepts[i, j] - y[i:j]) ** 2)
        assert got == pytest.approx(errors[i, j], rel=1e-9, abs=1e-9)
    assert (np.diff(errors[0]) >= -1e-9).all()


def test_best_ends_tries_all_ends():
    rng = np.random.default_rng(2)
    for _ in range(50):
        x, y = np.arange(6) / 2, np.rint(rng.normal(0, 8, 6))
        slopes, intercepts = rng.integers(-8, 8, 3), rng.integers(-8, 8, 3)
        ends, penalty = np.empty(3, np.int64), np.where(rng.random(6) < 0.3, 1000.0, 0)
        costs = line_costs(x, y, penalty, slopes, intercepts)
        error = best_ends(costs, ends)
        misses = np.outer(slopes, x) + intercepts[:, None] - y
        squares = misses**2 + penalty * (misses != 0)
        assert np.allclose(costs.T, squares, rtol=1e-12)
        every = [
            sum(squares[e, q] for q, e in enumerate(s)) for s in product(range(3), repeat=6) if list(s) == sorted(s)
        ]
        assert error == pytest.approx(min(every), rel=1e-12)
        starts = [0, *ends[:-1]]
        assert sum(squares[e, i:j].sum() for e, (i, j) in enumerate(zip(starts, ends, strict=True))) == pytest.approx(
            error
        )


@pytest.mark.parametrize("name", ["gelu", "exp", "rsqrt"])
def test_the_kernels_error_is_that_of_the_op(name):
    task = Task.of(name, 8, scales=(3, 5, 6))
    error, slopes, intercepts, ends = Tables(task).refined(*common_optimum(task)[:2])
    from algos.gqa_lut.certificate import stored_of

    stored = {n: stored_of(task, n, ends[g], slopes, intercepts) for g, n in enumerate(task.scales)}
    got = Fit(task=task, method="test", seed=None, stored=stored)
    assert error / task.one**2 == pytest.approx(got.mse, rel=1e-8)


@st.composite
def random_tables(draw):
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    task = Task.of(name, draw(st.integers(2, 6)), scales=(draw(st.integers(2, 6)),))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    (n,), (left, right) = task.scales, task.tails
    codes, best = task.codes(n), optimum(task).stored
    spread = int(2.0 ** rng.integers(0, 6))
    places = np.sort(
        np.clip(np.array(best.breakpoints) + rng.integers(-spread, spread + 1, task.entries - 1), codes[0], 128)
    )
    lines = np.array(best[1:]) + rng.integers(-spread, spread + 1, (2, task.entries)) // 2
    lines = np.clip(lines, -task.reach, task.reach - 1)
    for at, tail in ((0, left), (-1, right)):
        if tail is not None:
            lines[:, at] = tail
    return task, Stored(*(tuple(map(int, row)) for row in (places, *lines)))


@settings(max_examples=150)
@given(random_tables())
def test_no_table_beats_its_certificate(case):
    task, stored = case
    made = Fit(task=task, method="random", seed=None, stored={task.scales[0]: stored})
    assert made.mse >= made.bound * (1 - 1e-9)
    assert made.gap >= 0


@settings(max_examples=15)
@given(st.lists(st.floats(-1.9, 1.9), min_size=5, max_size=9), st.integers(2, 12), st.sampled_from(METHODS))
def test_no_method_beats_the_bound_of_any_function(values, entries, method):
    def fn(x):
        return np.interp(x, np.linspace(-2, 2, len(values)), values)

    if method == "paper":  # its own tests; half a second each
        method = "ours"
    got = fit(fn, entries, span=(-2, 2), scales=(3, 4, 6), method=method, bits=12)
    assert all(r.mse >= r.bound * (1 - 1e-9) for r in got.rows)
    assert got.common is not None
    assert got.mse >= got.bound * (1 - 1e-9)
    if method == "ours":
        assert got.mse <= got.common * (1 + 1e-9) + 1e-15


def test_one_table_a_scale_is_the_certified_optimum():
    got = fit("gelu", 8, shared=False)
    assert got.gap == 0
    assert [r.mse for r in got.rows] == [r.bound for r in got.rows]
    assert fit("gelu", 8).mse > got.mse
    assert fit("gelu", 8).bound == got.bound


def test_codes_outside_the_span_follow_the_function():
    got = fit("gelu", 8, scales=(0, 4))
    for n in (0, 4):
        task, table = got.task, got.table(n)
        q = np.arange(-128, 128)
        y = table.run((_type(n),), q.astype(np.int8)) * table.scale
        outside = (q < task.codes(n)[0]) | (q > task.codes(n)[-1])
        assert outside.any()
        assert np.abs(y - np.maximum(q * 2.0**-n, 0))[outside].max() == 0


def test_other_outer_lines_may_pass_the_bound_and_say_so():
    bare = Function(name="bare", fn=FUNCTIONS["gelu"].fn, span=(-4, 4))
    free = fit(bare, 4, scales=(4,))
    task = Task.of("gelu", 4, scales=(4,))
    got = Fit(task=task, method="imported", seed=None, stored=free.stored)
    assert free.gap == 0
    assert got.mse == free.mse < got.bound
    assert got.gap < 0
    assert "below the bound" in verdict(got)


def _type(n):
    from hwsim import INT8, QType

    return QType((), INT8, 2.0**-n)


@pytest.mark.parametrize(("fmt", "n"), [(INT10, 7), (INT12, 9), (INT16, 12)])
def test_wide_inputs(fmt, n):
    got = fit("gelu", 16, fmt=fmt, scales=(n,))
    assert got.rows[0].codes > 1000
    assert got.bound <= got.mse <= 1.1 * got.bound
    assert (got.gap == 0) == (fmt.bits <= 10)


@pytest.mark.parametrize("name", ["tanh", "exp"])
def test_the_block_bound_is_below_the_exact_optimum(monkeypatch, name):
    import algos.gqa_lut.certificate as c

    exact = optimum(Task.of(name, 6, scales=(5,))).mse
    monkeypatch.setattr(c, "POINTS", 40)
    blocks = c._optimum.__wrapped__(Task.of(name, 6, scales=(5,)))
    assert POINTS == 1024
    assert blocks.bound <= exact * (1 + 1e-9)
    assert exact <= blocks.mse * (1 + 1e-9)
    assert blocks.mse <= 1.2 * exact


def test_points_weigh_scales_alike():
    points = Points(Task.of("gelu", 8, scales=(0, 3, 5)))
    assert points.w.sum() == pytest.approx(1)
    assert [points.w[i:j].sum() for i, j in zip(points.starts, points.starts[1:], strict=False)] == pytest.approx(
        [1 / 3] * 3
    )
