"""Plans against the exact optimum of small problems, bounds, orders that fail, and the same plan twice."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.memory import Buffer, Packer
from codegen.planning import lower_bound, plan
from tests.codegen.test_memory import BUFFERS, block, buffers_of, check_places


@given(BUFFERS)
@settings(max_examples=60, deadline=None)
def test_plans_keep_the_rules_and_the_bound(raw: list[tuple[str, int, int, int, int]]) -> None:
    buffers = buffers_of(raw)
    made = plan(buffers)
    check_places(buffers, {i: made.places[b.key] for i, b in enumerate(buffers)}, made.arenas)
    assert made.bound <= made.total == sum(made.arenas.values())
    assert made.total <= Packer(buffers).pack(range(len(buffers))).total
    assert plan(buffers) == made


def optimum(buffers: list[Buffer]) -> int:
    """The fewest bytes of any plan of one arena: all starts tried."""
    whole = sum(b.size for b in buffers)
    best = whole
    for starts in product(*(range(whole - b.size + 1) for b in buffers)):
        total = max(s + b.size for s, b in zip(starts, buffers, strict=True))
        if total < best:
            try:
                check_places(buffers, {i: ("int8_t", s) for i, s in enumerate(starts)}, {"int8_t": total})
                best = total
            except AssertionError:
                continue
    return best


SMALL = st.lists(
    st.tuples(st.just("int8_t"), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2), st.integers(0, 15)),
    min_size=1,
    max_size=4,
)


@given(SMALL)
@settings(max_examples=60, deadline=None)
def test_the_optimum_of_small_problems(raw: list[tuple[str, int, int, int, int]]) -> None:
    buffers = buffers_of(raw)
    made, best = plan(buffers), optimum(buffers)
    assert made.bound <= best == made.total


def test_the_search_finds_what_no_order_of_ours_does() -> None:
    """Of random problems that greedy by size does not solve, most are solved; none gets worse."""
    import random

    rng, greedy, found, bounds = random.Random(3), 0, 0, 0
    for _ in range(40):
        buffers = [block(str(i), rng.randint(1, 40), f := rng.randint(0, 9), f + rng.randint(0, 6)) for i in range(14)]
        made = plan(buffers)
        by_size = sorted(range(14), key=lambda i: (-buffers[i].size, buffers[i].first, i))
        greedy += Packer(buffers).pack(by_size).total
        found, bounds = found + made.total, bounds + made.bound
    assert bounds <= found < greedy
    assert (found - bounds) * 8 < greedy - bounds


def test_nothing_and_one() -> None:
    assert plan([]).total == plan([]).bound == 0
    assert plan([block("a", 5, 0, 0)]).places == {"a": ("int8_t", 0)}


def test_the_bound_counts_wide_types_apart_and_what_is_in_place_once() -> None:
    apart = [block("a", 8, 0, 0, element="int32_t"), block("b", 6, 1, 1, element="int16_t"), block("c", 3, 2, 2)]
    assert lower_bound(apart) == 14 == plan(apart).total
    chain = [block("a", 8, 0, 1), block("b", 8, 1, 2, over="a"), block("c", 8, 2, 3, over="b")]
    assert lower_bound(chain) == 8 == plan(chain).total


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_names_of_any_kind(order: tuple[int, ...]) -> None:
    """Names of values are any strings, scratch buffers are pairs of numbers."""
    keys = ["\x00 1", (0, 1), "(0, 1)"]
    made = plan([Buffer(key=keys[i], element="int8_t", size=4, first=0, last=0) for i in order])
    assert len(made.places) == 3
    assert made.total == 12
