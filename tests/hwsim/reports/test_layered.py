"""Layered drawings: nothing overlaps, edges lead down, columns end where one value leads on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hwsim.reports.columns import LEAST, columns
from hwsim.reports.layered import apart, layered


def random_edges(rng: np.random.Generator, count: int, many: int) -> list[tuple[int, int]]:
    pairs = {tuple(sorted(rng.choice(count, 2, replace=False).tolist())) for _ in range(many)}
    return sorted(pairs)


@pytest.mark.parametrize("seed", range(8))
def test_boxes_do_not_overlap_and_edges_lead_down(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    edges = random_edges(rng, count, 2 * count) if count > 1 else []
    plan = layered(count, edges, 100.0, 10.0)
    for a, b in edges:
        assert plan.places[a].layer < plan.places[b].layer
        assert [p.layer for p in plan.bends[a, b]] == list(range(plan.places[a].layer + 1, plan.places[b].layer))
    for layer in range(plan.layers):
        boxes = sorted(p.x for p in plan.places if p.layer == layer)
        assert all(b - a >= 100 - 1e-6 for a, b in pairwise(boxes))
        for bends in plan.bends.values():
            for p in bends:
                assert p.layer != layer or all(abs(p.x - x) >= 55 - 1e-6 for x in boxes)
    assert all(49.99 <= p.x <= plan.width - 49.99 for p in plan.places)


def test_a_chain_is_straight_and_a_diamond_has_its_ends_in_the_middle():
    chain = layered(5, [(i, i + 1) for i in range(4)], 100.0, 10.0)
    assert len({round(p.x, 6) for p in chain.places}) == 1
    diamond = layered(4, [(0, 1), (0, 2), (1, 3), (2, 3)], 100.0, 10.0).places
    assert diamond[0].x == pytest.approx(diamond[3].x)
    assert abs(diamond[1].x - diamond[2].x) == pytest.approx(100)


def test_apart_is_the_nearest_that_does_not_overlap():
    assert apart([0, 30], [10, 10]) == [0, 30]
    assert apart([0, 0], [10, 10]) == pytest.approx([-5, 5])
    assert apart([0, 0, 0, 100], [10, 10, 10, 4]) == pytest.approx([-10, 0, 10, 100])


def test_long_chains_become_columns_and_dense_graphs_do_not():
    chain = columns(60, [(i, i + 1) for i in range(59)], 100.0, 10.0)
    assert 4 <= len(chain) <= 8
    assert [c.ports for c in chain] == [0] + [1] * (len(chain) - 1)
    shown = [i for c in chain for i in c.members[c.ports :]]
    assert shown == list(range(60))
    assert all(c.layout.layers >= LEAST - 4 for c in chain)
    twisted = [(i, j) for i in range(60) for j in (i + 1, i + 2) if j < 60]  # no layer that one value leads to
    assert len(columns(60, twisted, 100.0, 10.0)) == 1
