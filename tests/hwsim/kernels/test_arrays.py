from ctypes import string_at

import numpy as np
import pytest

from hwsim.kernels.actions import Actions
from hwsim.kernels.arrays import Result, Rows, Seconds, Whole, Windows, located
from hwsim.kernels.buffers import Buffers, has_room
from hwsim.ops.windows import Window

X = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)


def place(kind, array):
    """Located after its actions ran, and how many calls make them again."""
    actions = Actions()
    found = located(kind, array, len(array), Buffers(), actions)
    return found, len(actions.ready())


def rows(found, count, width):
    """What a program reads."""
    item = found.array.dtype
    base = found.number("base")
    return [
        np.frombuffer(string_at(base + int(o), width * item.itemsize), item).tolist() for o in found.offsets[:count]
    ]


VIEWS = {
    "whole": lambda x: x,
    "part": lambda x: x[:, :, 1:3],
    "columns": lambda x: x[..., 1:4],
    "turned": lambda x: x.transpose(0, 2, 1, 3),
    "backward": lambda x: x[:, ::-1],
    "every second": lambda x: x[..., ::2],
    "last first": lambda x: x.transpose(0, 3, 1, 2),
    "broadcast": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "one": lambda x: x[..., :1],
    "one sample": lambda x: x[:1],
}


@pytest.mark.parametrize("bytes_past", [False, True])
@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64])
def test_rows_of_any_view(dtype, name, bytes_past):
    x = VIEWS[name](X.astype(dtype))
    found, _ = place(Rows(value="x", lead=x.shape[1:-1], bytes_past=bytes_past), x)
    want = x.reshape(-1, x.shape[-1])
    assert len(found.offsets) == len(want)
    assert rows(found, len(want), x.shape[-1]) == want.tolist()
    assert not found.dense or found.array.flags.c_contiguous
    assert not bytes_past or has_room(found.array)


@pytest.mark.parametrize(
    "shape", [(2, 1, 4, 5), (2, 3, 1, 5), (2, 1, 1, 5), (1, 4, 5), (4, 5), (1, 5), (5,), (3, 1, 1)]
)
def test_rows_for_each_row_of_another(shape):
    x = np.arange(np.prod(shape), dtype=np.int8).reshape(shape)
    found = located(Rows(value="x", lead=(3, 4)), x, 2, Buffers(), Actions())
    want = np.broadcast_to(x, (2, 3, 4, shape[-1])).reshape(24, -1)
    assert rows(found, 24, shape[-1]) == want.tolist()
    assert not found.dense


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((1, 2), (0, 3))])
@pytest.mark.parametrize("name", ["whole", "turned", "columns", "last first", "broadcast"])
def test_windows(name, padding):
    x = VIEWS[name](X.astype(np.int8))
    window = Window(kernel=(2, 2), stride=(2, 1), padding=padding, dilation=(1, 1))
    found, _ = place(Windows(value="x", window=window, border=-9), x)
    padded = np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=-9)
    first = [padded[n, i : i + 2, j : j + 2] for n in range(len(x)) for i in range(0, padded.shape[1] - 1, 2)
             for j in range(padded.shape[2] - 1)]  # fmt: skip
    assert len(found.offsets) == len(first)
    wide = 2 * x.shape[3]
    assert rows(found, len(first), wide) == [w[0].reshape(-1).tolist() for w in first]
    line = padded.shape[2] * x.shape[3]
    below, base = [w[1].reshape(-1).tolist() for w in first], found.number("base")
    assert [np.frombuffer(string_at(base + int(o) + line, wide), np.int8).tolist() for o in found.offsets] == below
    assert has_room(found.array)


@pytest.mark.parametrize("name", VIEWS)
def test_matrices_with_their_steps(name):
    x = VIEWS[name](X.astype(np.int8))
    found, actions = place(Seconds(value="x"), x)
    assert actions == 0
    base, (k, n) = found.number("base"), x.shape[2:]
    for number, matrix in enumerate(x.reshape(-1, k, n)):
        at = base + int(found.offsets[number])
        got = [
            [string_at(at + i * found.number("k_step") + j * found.number("n_step"), 1) for j in range(n)]
            for i in range(k)
        ]
        assert got == [[v.tobytes() for v in row] for row in matrix]


@pytest.mark.parametrize("name", VIEWS)
def test_samples_in_order(name):
    x = VIEWS[name](X.astype(np.int8))
    found, _ = place(Whole(value="x"), x)
    assert rows(found, len(x), x[0].size) == x.reshape(len(x), -1).tolist()
    assert has_room(found.array)


def test_results_are_where_they_go():
    x = Buffers().room((2, 3, 5), np.dtype(np.int16))
    found, actions = place(Result(value="x"), x)
    assert actions == 0
    assert found.number("base") == x.ctypes.data
    assert found.offsets.tolist() == [10 * i for i in range(6)]


def test_copies_follow_what_they_copy():
    x, actions = X[..., ::2].astype(np.int8)[..., ::2], Actions()
    found = located(Rows(value="x", lead=(3, 4)), x, 2, Buffers(), actions)
    for add in (1, 2):
        x += add
        for act in actions.ready():
            act()
        assert rows(found, 24, 2) == x.reshape(-1, 2).tolist()
