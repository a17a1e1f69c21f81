from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codegen.memory import Buffer, plan

BUFFERS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9), st.integers(0, 5)), max_size=12)


@given(BUFFERS)
def test_living_buffers_never_share_an_element(raw: list[tuple[int, int, int]]) -> None:
    buffers = [Buffer(str(i), size, first, first + life) for i, (size, first, life) in enumerate(raw)]
    offsets, total = plan(buffers)
    for i, a in enumerate(buffers):
        assert 0 <= offsets[a.name] <= total - a.size
        for b in buffers[:i]:
            apart = offsets[a.name] + a.size <= offsets[b.name] or offsets[b.name] + b.size <= offsets[a.name]
            assert apart or not a.overlaps(b)


def test_dead_buffers_are_reused() -> None:
    chain = [Buffer(str(i), 10, i, i + 1) for i in range(6)]
    assert plan(chain)[1] == 20
    assert plan([]) == ({}, 0)
