import numpy as np
import pytest

from hwsim.kernels.buffers import PAST, SLACK, Buffers, has_room

INT8 = np.dtype(np.int8)


def address(x):
    return x.ctypes.data


def test_memory_comes_back_when_nobody_looks():
    buffers = Buffers()
    x = buffers.room((10, 10), INT8)
    at = address(x)
    assert address(buffers.room((10, 10), INT8)) != at
    del x
    assert address(buffers.room((5, 20), INT8)) == at


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.T,
        lambda x: x[2:3, ::2],
        lambda x: x.reshape(-1)[:1],
        lambda x: np.broadcast_to(x[:, :1], x.shape),
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=0),
        lambda x: x.view(np.uint8)[5],
        lambda x: [x],
    ],
    ids=["turned", "part", "flat", "broadcast", "windows", "row", "held"],
)
def test_memory_stays_while_a_view_is_left(look):
    buffers = Buffers()
    x = buffers.room((10, 10), INT8)
    at, kept = address(x), look(x)
    del x
    for _ in range(3):
        assert address(buffers.room((10, 10), INT8)) != at
    del kept
    assert at in {address(y) for y in [buffers.room((10, 10), INT8) for _ in range(4)]}


def test_every_array_is_writable_and_apart():
    buffers, kept = Buffers(), []
    for i in range(20):
        kept.append(buffers.room((i + 1, 7), np.dtype(np.int32)))
        kept[-1][...] = i
        if i % 3 == 0:
            kept.pop(len(kept) // 2)
    assert all((x == x[0, 0]).all() for x in kept)
    assert len({int(x[0, 0]) for x in kept}) == len(kept)


def test_small_arrays_do_not_take_large_memory():
    buffers = Buffers()
    large = address(buffers.room((100_000,), INT8))
    small = buffers.room((10,), INT8)
    assert address(small) != large
    assert address(buffers.room((50_000,), INT8)) == large


def test_room_after_the_last_element():
    x = Buffers().room((3, 5), INT8)
    assert SLACK >= PAST
    assert has_room(x)
    assert has_room(x.T)
    assert not has_room(np.zeros(64, np.int8))
    assert has_room(np.zeros(64, np.int8)[: 64 - PAST])
    assert not has_room(np.zeros(64, np.int8)[: 65 - PAST])
    assert not has_room(np.zeros((8, 8), np.int8)[::-1, :1][:1])  # the last row's bytes are the array's end but for 7
    read_only = np.frombuffer(bytes(64), np.int8)
    assert not has_room(read_only)
