"""Integer constants beside ``half_away(float64(acc) * ratio)``, exactly where the two could part."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from hwsim import INT24, INT32, Graph, QType, TflSingle
from hwsim.dialects.float64_ratio import float64_ratio
from hwsim.dialects.linear import requant
from hwsim.qtensor import BATCH
from tests.backends import check_engines
from tests.compare import assert_same

STEPS = 255


def float64(acc: int, ratio: float) -> int:
    """C's `round` of the float64 product."""
    y = floor(abs(Fraction(acc * ratio)) + Fraction(1, 2))
    return -y if acc < 0 else y


def beside_ties(ratio: float) -> list[int]:
    """Accumulators within 2 of each place where the result moves on."""
    near = {round((k + 0.5) / ratio) + d for k in range(STEPS) for d in (-2, -1, 0, 1, 2)}
    return sorted({*near, *(-a for a in near)})


QUOTIENTS = [(1, q) for q in range(2, 200)] + [(p, q) for p in (3, 5, 7, 127) for q in (10, 22, 1000, 12345, 99991)]


def same(ratio: float) -> bool:
    """Compare around all results; False where no multiplier is found."""
    x = beside_ties(ratio)
    try:
        made = float64_ratio(np.array([ratio]), np.array([max(x)]), STEPS)
    except ValueError:
        return False
    got = made.apply(np.array(x)[:, None])[:, 0]
    assert_same([float64(v, ratio) for v in x], got, x, what=f"{ratio!r}")
    return True


def test_every_result_moves_on_at_float64s_accumulator():
    assert all(same(r) for r in (10 ** np.random.default_rng(5).uniform(-5.5, -1, 200)).tolist())


def test_quotients_are_refused_only_where_float64_rounds_ties_both_ways():
    refused = [(p, q) for p, q in QUOTIENTS if not same(p / q)]
    assert 0 < len(refused) < 20
    for p, q in refused:
        ties = [((2 * k + 1) * q // (2 * p), k) for k in range(STEPS) if (2 * k + 1) * q % (2 * p) == 0]
        assert {float64(x, p / q) - k for x, k in ties} == {0, 1}


def test_the_nearest_multiplier_stays_where_it_serves_and_misses_ties_elsewhere():
    reach = np.array([1 << 20])
    assert float64_ratio(np.array([0.3712]), reach, STEPS) == TflSingle.of(0.3712)
    assert TflSingle.of(1 / 6).apply(np.array([3])) == 0
    assert float64_ratio(np.array([1 / 6]), reach, STEPS).apply(np.array([3])) == 1


def test_multipliers_past_31_bits_on_every_engine():
    rng = np.random.default_rng(3)
    for ratio in (2.0**-15 * rng.uniform(1, 2, 400)).tolist():
        made = float64_ratio(np.array([ratio]), np.array([1 << 23]), STEPS)
        if made.multiplier[0] >= 1 << 31:
            break
    assert made.multiplier[0] >= 1 << 31
    x = np.array(beside_ties(ratio))
    x = np.append(x[np.abs(x) < 1 << 23], (0, 1))[:, None]
    g = Graph()
    values = g.input("x", QType((BATCH, 1), INT24, ratio))
    g.output(g.add(requant(QType((1,), INT32, 1.0), made), values, name="y"))
    assert check_engines(g, {"x": x.astype(np.int32)}, {"y": np.array([[float64(int(v), ratio)] for v in x[:, 0]])})


def test_what_float64_alone_can_do_is_refused():
    with pytest.raises(ValueError, match=r"no multiplier of 31\.\.40 bits"):
        float64_ratio(np.array([0.3]), np.array([1 << 40]), STEPS)
