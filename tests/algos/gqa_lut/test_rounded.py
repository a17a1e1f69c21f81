"""Tables whose result is rounded: what is reported, what bounds it, and that the search goes by it."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from algos.gqa_lut import FUNCTIONS, Task, fit, to_json
from algos.gqa_lut.search import Tables
from hwsim import FP4_E2M1, INT4, INT8, UINT8, IntFormat, QType
from hwsim.app.fit_lut import verdict
from tests.compare import assert_refused

OUT = QType((), INT8, 2.0**-5, 3)
INT3 = IntFormat("int3", 3)


def numbers(out):
    return (np.arange(out.fmt.min_int, out.fmt.max_int + 1) - out.zero_point) * out.scale


@pytest.mark.parametrize("out", [OUT, QType((), UINT8, 2.0**-7), QType((), INT4, 0.25)], ids=["5", "7", "int4"])
@pytest.mark.parametrize("name", ["gelu", "exp", "tanh"])
def test_the_error_includes_rounding_and_saturation(name, out):
    got = fit(name, 8, out=out, scales=(2, 5))
    for row in got.rows:
        n, task = row.scale, got.task
        x = task.reals(n)
        p, k, b = (np.array(part) for part in got.stored[n])
        i = np.searchsorted(p, task.codes(n), side="right")
        exact = (k[i] * x + b[i]) / task.one
        code = np.clip(np.floor(exact / out.scale + 0.5) + out.zero_point, out.fmt.min_int, out.fmt.max_int)
        error = (code - out.zero_point) * out.scale - FUNCTIONS[name].fn(x)
        assert row.mse == pytest.approx(np.mean(error**2), rel=1e-12)
        assert row.max_error == pytest.approx(np.abs(error).max(), rel=1e-12)
        best = np.abs(numbers(out)[:, None] - FUNCTIONS[name].fn(x)).min(axis=0)
        assert row.bound == pytest.approx(np.mean(best**2), rel=1e-12)
        assert got.unrounded.rows[task.scales.index(n)].mse == pytest.approx(np.mean((exact - task.targets(n)) ** 2))
    assert got.gap >= 0
    assert got.table(5) == got.made.at(5, out)


@pytest.mark.parametrize("name", ["gelu", "hswish", "exp", "reciprocal"])
def test_the_search_goes_by_the_rounded_error(name):
    plain = fit(name, 8)
    got = fit(name, 8, out=OUT)
    assert got.mse <= replace(plain, task=got.task).mse * (1 + 1e-12)
    assert got.mse < replace(plain, task=got.task).mse or name == "exp"
    assert got.stored == fit(name, 8, out=OUT).stored
    assert got.common is None


@pytest.mark.parametrize("entries", [2, 3])
def test_ends_are_the_best_of_all_for_the_given_lines(entries):
    task = Task.of("gelu", entries, fmt=INT4, scales=(1, 2), bits=5, fraction=3, out=QType((), INT3, 0.5))
    tables, rng = Tables(task), np.random.default_rng(0)
    for _ in range(20):
        error, slopes, intercepts, _ = tables.as_they_are(*rng.integers(-9, 9, (2, entries)))
        total = 0.0
        for n in task.scales:
            y = (np.outer(slopes, task.reals(n)) + intercepts[:, None]) / task.one
            y = np.clip(np.floor(y / 0.5 + 0.5), -4, 3) * 0.5
            squares = (y - task.targets(n)) ** 2
            cuts = [c for c in product(range(squares.shape[1] + 1), repeat=entries - 1) if list(c) == sorted(c)]
            segments = [np.searchsorted(c, np.arange(squares.shape[1]), side="right") for c in cuts]
            total += min(squares[s, np.arange(squares.shape[1])].mean() for s in segments) / len(task.scales)
        assert error / task.one**2 == pytest.approx(total, rel=1e-12)


def test_rounding_may_pass_the_optimum_of_what_is_not_rounded():
    """Why the two problems have bounds of their own."""
    got = fit(lambda x: np.floor(2 * x + 0.5) / 2, 2, span=(-1, 1), scales=(5,), out=QType((), INT8, 0.5))
    assert got.mse == got.bound == 0 < got.unrounded.bound
    assert verdict(got) == "certified: every result is the nearest int8 number"
    assert "no table beats" in verdict(fit("gelu", 4, out=OUT, scales=(4,)))


@pytest.mark.parametrize("bits", [2, 3, 4, 7])
def test_exp_stays_exact_before_it_is_rounded(bits):
    """A coarse result would forgive exp(0) = 65/64."""
    got = fit("exp", 5, out=QType((), UINT8, 2.0**-bits), scales=(1, 3, 5))
    assert got.inexact == ()
    for n in got.task.scales:
        assert got.table(n).run((QType((), INT8, 2.0**-n),), np.zeros(1, np.int8)) == 2**bits


def test_lines_that_are_not_exact_before_rounding_lose():
    tables = Tables(Task.of("exp", 2, scales=(3,), out=QType((), UINT8, 2.0**-2)))
    slopes = np.array([0, 20])
    exact, close = (tables.as_they_are(slopes, np.array([0, b])) for b in (64, 65))
    assert exact.error < tables.points.worst / 100
    assert close.error > tables.points.worst / 100  # one of 65 codes


def test_one_table_a_scale():
    got = fit("gelu", 8, out=OUT, scales=(3, 4), shared=False)
    assert got.stored[4] == fit("gelu", 8, out=OUT, scales=(4,)).stored[4]
    assert got.mse <= fit("gelu", 8, out=OUT, scales=(3, 4)).mse


def test_it_is_told_in_json():
    told = to_json(fit("gelu", 4, out=OUT, scales=(4,)))["certificate"]
    assert told["output"] == {"format": "int8", "scale": 2.0**-5, "zero_point": 3}
    assert "output" not in to_json(fit("gelu", 4, scales=(4,)))["certificate"]


def test_refusals():
    assert_refused(lambda: fit("gelu", out=QType((), INT8, 0.3)), "0.3", "power of two")
    assert_refused(lambda: fit("gelu", out=QType((), FP4_E2M1, 0.5)), "fp4_e2m1", "integer")
