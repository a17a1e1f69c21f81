"""Grouped queries and rotary positions, in the ways that people write them: torch's own numbers, and all refusals."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: export of attention (pip install 'hwsim[algos]')")
nn, F = torch.nn, torch.nn.functional

from algos.export import export  # noqa: E402
from tests.algos.exported import Fn, check_equal, ops  # noqa: E402

SDPA = F.scaled_dot_product_attention
LENGTH, SIZE = 5, 8


def parts(x, keys=2):
    """Four heads of queries, `keys` of keys and values, from x of shape (n, LENGTH, 4 * SIZE)."""
    q = x.unflatten(-1, (4, SIZE)).transpose(1, 2)
    return q, q[:, :keys] * 0.5, q[:, 4 - keys :].tanh()


def repeat_kv(x, times):
    """As Hugging Face has it."""
    n, heads, length, size = x.shape
    if times == 1:
        return x
    x = x[:, :, None, :, :].expand(n, heads, times, length, size)
    return x.reshape(n, heads * times, length, size)


def by_hand(q, k, v):
    scores = q @ k.transpose(2, 3) / SIZE**0.5 + torch.full((LENGTH, LENGTH), -torch.inf).triu(1)
    return scores.softmax(-1) @ v


WAYS = {
    "enable_gqa": lambda q, k, v: SDPA(q, k, v, is_causal=True, enable_gqa=True),
    "enable_gqa, a mask": lambda q, k, v: SDPA(q, k, v, torch.ones(4, LENGTH, LENGTH).tril().bool(), enable_gqa=True),
    "enable_gqa, one group": lambda q, k, v: SDPA(q, q, q.tanh(), enable_gqa=True),
    "repeat_interleave": lambda q, k, v: by_hand(q, *(x.repeat_interleave(4 // x.shape[1], 1) for x in (k, v))),
    "repeat_kv": lambda q, k, v: by_hand(q, *(repeat_kv(x, 4 // x.shape[1]) for x in (k, v))),
}


@pytest.mark.parametrize("keys", [1, 2, 4])
@pytest.mark.parametrize("way", WAYS)
def test_grouped_queries(way, keys):
    front = check_equal(Fn(lambda m, x: WAYS[way](*parts(x, keys))), LENGTH, 4 * SIZE)
    grouped = keys < 4 and way != "enable_gqa, one group"
    assert ops(front).count("expand") == (2 if grouped else 0)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: x.repeat_interleave(3, -1),
        lambda x: x.repeat_interleave(2, 1).repeat_interleave(1, 2),
        lambda x: torch.repeat_interleave(x, 2, dim=2)[..., 1:4],
    ],
)
def test_repeated_entries(fn):
    check_equal(Fn(lambda m, x: fn(x.tanh())), 3, 4)


def half_turned(x):
    """As Hugging Face has it."""
    return torch.cat((-x[..., x.shape[-1] // 2 :], x[..., : x.shape[-1] // 2]), -1)


class Rotary(nn.Module):
    """Tables made of positions in forward, with a batch axis, as Hugging Face has them."""

    def __init__(self, expanded):
        super().__init__()
        self.expanded = expanded
        self.register_buffer("rates", 100 ** (-torch.arange(0, SIZE, 2) / SIZE), persistent=False)

    def forward(self, x):
        positions = torch.arange(x.shape[2])[None]
        rates = self.rates[None, :, None].float()
        if self.expanded:
            rates, positions = rates.expand(x.shape[0], -1, 1), positions.expand(x.shape[0], -1)
        angles = (rates @ positions[:, None, :].float()).transpose(1, 2)
        both = torch.cat((angles, angles), -1)
        cos, sin = both.cos().unsqueeze(1), both.sin().unsqueeze(1)
        return x * cos + half_turned(x) * sin


def tables():
    angles = torch.outer(torch.arange(LENGTH), 100 ** (-torch.arange(0, SIZE, 2) / SIZE))
    return angles.cos(), angles.sin()


def interleaved(m, x):
    """As llama.cpp has it."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * m.c - b * m.s, a * m.s + b * m.c), -1).flatten(-2)


def in_pairs(m, x):
    """As LLaMA's authors have it, in real numbers."""
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((m.c * a - m.s * b, m.s * a + m.c * b), -1).flatten(3)


def halves(m, x):
    a, b = x.chunk(2, -1)
    return torch.cat((a * m.c - b * m.s, b * m.c + a * m.s), -1)


def module(fn):
    c, s = tables()
    return Fn(fn, c=c, s=s)


ROTATIONS = {
    "tables in forward": Rotary(False),
    "tables a sample": Rotary(True),
    "llama.cpp": module(interleaved),
    "pairs": module(in_pairs),
    "halves": module(halves),
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_rotary_positions(name):
    rope = ROTATIONS[name]
    front = check_equal(Fn(lambda m, x: m.rope(parts(x)[0]).transpose(1, 2).flatten(2), rope=rope), LENGTH, 4 * SIZE)
    assert set(ops(front)) == {"mul", "add", "concat"}


def test_lengths_of_pairs_stay():
    """What makes it a rotation, whichever way it is written."""
    x = torch.randn(2, 4, LENGTH, SIZE)
    for name, rope in ROTATIONS.items():
        y = rope(x)
        a, b = (z.unflatten(-1, (2, -1) if name[:6] in ("halves", "tables") else (-1, 2)) for z in (x, y))
        axis = -2 if name[:6] in ("halves", "tables") else -1
        np.testing.assert_allclose(a.square().sum(axis), b.square().sum(axis), rtol=1e-5)  # floats


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (lambda q, k, v: SDPA(q, k[:, :1], v[:, :1]), "equal batch and heads: use expand, or enable_gqa"),
        (lambda q, k, v: SDPA(q, k[:, :1], v, enable_gqa=True), "only heads of query may be more, key and value alike"),
        (lambda q, k, v: SDPA(q[:, 0], k[:, 0], v[:, 0], enable_gqa=True), "which has no heads; leave it out"),
        (lambda q, k, v: k.repeat_interleave(2), "without an axis it flattens the batch; give dim"),
        (lambda q, k, v: k.repeat_interleave(2, 0), "axis 0 is the batch"),
        (lambda q, k, v: k.repeat_interleave(torch.tensor([1, 2]), 1), "not supported"),
    ],
)
def test_refusals(fn, told):
    with pytest.raises(ValueError, match=r"exported\.py|llama\.py") as e:
        export(Fn(lambda m, x: fn(*parts(x))), torch.zeros(3, LENGTH, 4 * SIZE))
    assert told in str(e.value)
