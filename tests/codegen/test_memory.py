"""Buffer after buffer: never on living memory, aligned, in an arena of its type, in place only where it may be."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from codegen.memory import WIDTHS, Buffer, Packer

TYPES = ("int8_t", "uint8_t", "int8_t", "int16_t", "uint16_t", "int32_t", "int64_t")
RAW = st.tuples(st.sampled_from(TYPES), st.integers(1, 9), st.integers(0, 6), st.integers(0, 4), st.integers(0, 255))
BUFFERS = st.lists(RAW, max_size=10)


def buffers_of(raw: list[tuple[str, int, int, int, int]]) -> list[Buffer]:
    """Element type, elements, first step, further steps; the last number chooses what may be written over."""
    ends = [(first + life) for _, _, first, life, _ in raw]
    return [
        Buffer(
            key=i,
            element=element,
            size=n * WIDTHS[element.removeprefix("u")],
            first=first,
            last=first + life,
            over=frozenset(j for j, end in enumerate(ends) if j != i and end == first and chosen >> j % 8 & 1),
        )
        for i, (element, n, first, life, chosen) in enumerate(raw)
    ]


def check_places(buffers: list[Buffer], places: dict[int, tuple[str, int]], arenas: dict[str, int]) -> None:
    """What any plan must keep, said again in other words."""
    for i, b in enumerate(buffers):
        arena, start = places[i]
        unit = WIDTHS[b.element.removeprefix("u")]
        assert arena in ([b.element.removeprefix("u")] if unit > 1 else WIDTHS)
        assert start % unit == 0
        assert start >= 0
        assert start + b.size <= arenas[arena]
    for (i, a), (j, b) in combinations(enumerate(buffers), 2):
        together = places[i][0] == places[j][0] and set(range(places[i][1], places[i][1] + a.size)) & set(
            range(places[j][1], places[j][1] + b.size)
        )
        if together and {*range(a.first, a.last + 1)} & {*range(b.first, b.last + 1)}:
            assert places[i] == places[j]
            later, earlier = (a, b) if b.key in a.over else (b, a)
            assert earlier.key in later.over
            assert later.first == earlier.last
            assert later.size <= earlier.size
    assert all(n % WIDTHS[a] == 0 for a, n in arenas.items())


@given(BUFFERS, st.randoms(use_true_random=False))
def test_every_order_keeps_the_rules(raw: list[tuple[str, int, int, int, int]], rng: object) -> None:
    buffers = buffers_of(raw)
    order = list(range(len(buffers)))
    rng.shuffle(order)  # type: ignore[attr-defined]
    done = Packer(buffers).pack(order)
    check_places(buffers, done.places, done.arenas)
    assert done.total == sum(done.arenas.values())


def block(key: str, size: int, first: int, last: int, over: str = "", element: str = "int8_t") -> Buffer:
    return Buffer(key=key, element=element, size=size, first=first, last=last, over=frozenset(over))


def test_dead_buffers_are_reused() -> None:
    chain = [block(str(i), 10, i, i + 1) for i in range(6)]
    assert Packer(chain).pack(range(6)).total == 20


def test_bytes_live_in_wide_arenas_where_there_is_room() -> None:
    done = Packer([block("a", 8, 0, 1, element="int32_t"), block("b", 7, 2, 3), block("c", 2, 3, 3)]).pack(range(3))
    assert done.places == {0: ("int32_t", 0), 1: ("int32_t", 0), 2: ("int8_t", 0)}
    assert done.arenas == {"int32_t": 8, "int8_t": 2}


def test_wide_types_never_share() -> None:
    done = Packer([block("a", 8, 0, 0, element="int32_t"), block("b", 8, 1, 1, element="int16_t")]).pack(range(2))
    assert done.arenas == {"int32_t": 8, "int16_t": 8}
    twins = Packer([block("a", 8, 0, 0, element="int32_t"), block("b", 8, 1, 1, element="uint32_t")]).pack(range(2))
    assert twins.arenas == {"int32_t": 8}


def test_in_place_down_a_chain_and_up_it() -> None:
    chain = [block("a", 8, 0, 1), block("b", 8, 1, 2, over="a"), block("c", 8, 2, 3, over="b")]
    assert Packer(chain).pack([0, 1, 2]).total == Packer(chain).pack([2, 1, 0]).total == 8
    bytes_over_words = [block("a", 8, 0, 1, element="int32_t"), block("b", 2, 1, 2, over="a")]
    assert Packer(bytes_over_words).pack([0, 1]).places == {0: ("int32_t", 0), 1: ("int32_t", 0)}


def test_not_in_place_of_what_is_smaller_or_where_another_lives() -> None:
    assert Packer([block("a", 2, 0, 1), block("b", 4, 1, 2, over="a")]).pack([0, 1]).total == 6
    both = [block("a", 4, 0, 1), block("b", 4, 1, 2, over="a"), block("c", 4, 1, 2, over="a")]
    assert Packer(both).pack(range(3)).total == 8  # two results, one place
