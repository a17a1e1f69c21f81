"""What depends on no input is computed once, and is a parameter under a name that tells where it is read."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: export of constants (pip install 'hwsim[algos]')")
nn, F = torch.nn, torch.nn.functional

from algos.export import export  # noqa: E402
from tests.algos.exported import Fn, check_equal, ops, seeded  # noqa: E402


def many(fn):
    """A function of x (n, 5, 8) with parameters, an integer buffer and a few layers."""
    return Fn(
        fn,
        **{"w": nn.Parameter(torch.ones(8, 8)), "b": nn.Parameter(torch.ones(16)), "i": torch.arange(8)},
        **{"token": nn.Parameter(torch.ones(1, 1, 8)), "pos": nn.Parameter(torch.ones(1, 9, 8))},
        **{"table": nn.Embedding(9, 8), "fc": nn.Linear(8, 8)},
    )


@pytest.mark.parametrize(
    ("fn", "found", "params"),
    [
        (lambda m, x: F.linear(x, m.w.chunk(2)[1], m.b.split(4)[2]), ["linear"], {"linear.weight", "linear.bias"}),
        (lambda m, x: F.linear(x, m.w * torch.ones(8, 8).tril()), ["linear"], {"linear.weight"}),
        (lambda m, x: F.linear(x, m.w, m.b[:8].exp()), ["linear"], {"w", "linear.bias"}),
        (lambda m, x: F.conv1d(x.mT, m.w[..., None] / 2), ["conv1d"], {"conv1d.weight"}),
        (lambda m, x: F.rms_norm(x, (8,), m.b[:8]), ["rms_norm"], {"rms_norm.weight"}),
        (lambda m, x: x @ m.w, ["linear"], {"linear.weight"}),
        (lambda m, x: x @ m.w.T, ["linear"], {"w"}),
        (lambda m, x: x @ m.table.weight.mT, ["linear"], {"table.weight"}),
        (lambda m, x: x[:, 0] @ (m.w + 1), ["linear"], {"linear.weight"}),
        (lambda m, x: torch.addmm(m.b[:8], x[:, 0], m.w.t()), ["linear"], {"linear.bias", "w"}),
        (lambda m, x: torch.addmm(m.b[:1], x[:, 0], m.w), ["linear"], {"linear.bias", "linear.weight"}),
        (lambda m, x: x + m.pos[:, : x.shape[1]], ["add"], {"slice"}),
        (lambda m, x: m.pos[:, 2:7] * 2 - x, ["mul", "add"], {"constant.minus_one", "mul.1"}),
        (lambda m, x: x / m.b[:8].exp(), ["mul"], {"constant.reciprocal"}),
        (lambda m, x: x * (m.b[:8] > 0), ["mul"], {"gt"}),
        (lambda m, x: x * m.i + m.i, ["mul", "add"], {"i"}),
        (lambda m, x: x + m.table(torch.arange(x.shape[1])), ["add"], {"table"}),
        (lambda m, x: x + torch.tensor([1.0, 2.0]).repeat(4).detach().clone(), ["add"], {"clone"}),
        (lambda m, x: F.linear(x, m.w) + m.w.round().long()[0], ["linear", "add"], {"w", "select"}),
        (lambda m, x: F.linear(x, m.w) * m.w.long().float().sum(), ["linear", "mul"], {"w", "sum"}),
        (lambda m, x: x * m.b[:8] + m.token * m.token.long(), ["mul", "add"], {"slice", "mul.1"}),
        (lambda m, x: x * m.token + m.token.long(), ["mul", "add"], {"token", "_to_copy"}),
        (lambda m, x: x + (m.i[:, None] == m.i).float().sum(0), ["add"], {"sum"}),
        (lambda m, x: m.fc(x) + F.linear(x, m.fc.weight.detach()), ["linear"] * 2 + ["add"], {"fc.weight", "fc.bias"}),
        (lambda m, x: x * m.w.sum(), ["mul"], {"sum"}),
    ],
)  # fmt: skip
def test_constants_are_folded(fn, found, params):
    front = check_equal(many(fn), 5, 8)
    assert ops(front) == found
    assert set(front.params) == params


@pytest.mark.parametrize(
    ("fn", "found", "params"),
    [
        (lambda m, x: torch.cat((m.token.expand(x.shape[0], -1, -1), x), 1), ["concat"], {"token.expand": (1, 8)}),
        (lambda m, x: torch.cat((x, m.token.repeat(x.shape[0], 2, 1)), 1), ["concat"], {"token.repeat": (2, 8)}),
        (lambda m, x: torch.cat((x, m.w.expand(x.shape[0], 8, 8)), 1), ["concat"], {"w.expand": (8, 8)}),
        (lambda m, x: torch.cat([m.token.expand(x.shape[0], 5, -1).clone(), x], -1), ["concat"], None),
        (lambda m, x: torch.cat([x, torch.zeros(x.shape[0], 3, 8)], 1), ["concat"], {"zeros": (3, 8)}),
        (lambda m, x: torch.cat([x.new_ones(x.size(0), 5, 1), x], 2), ["concat"], {"new_ones": (5, 1)}),
        (lambda m, x: torch.cat([torch.full_like(x, 0.5), x], 2), ["concat"], {"full_like": (5, 8)}),
        (lambda m, x: torch.cat([m.token.expand(x.shape[0], 1, 8) + m.pos[:, :1], x], 1), ["concat"], {"add": (1, 8)}),
        (lambda m, x: x + m.pos[:, :5].expand(x.shape[0], -1, -1), ["add"], {"expand": (5, 8)}),
        (lambda m, x: m.pos[:, :5].expand_as(x) * x, ["mul"], {"expand": (5, 8)}),
        (lambda m, x: x - m.token.expand(x.shape[0], 5, -1), ["add"], {"constant.negative": (5, 8)}),
        (lambda m, x: m.token.expand(x.shape[0], 5, -1) - x, ["mul", "add"], None),
        (lambda m, x: x + m.table(torch.zeros(x.shape[:2], dtype=torch.long)), ["add"], {"table": (5, 8)}),
        (lambda m, x: x + m.table(torch.arange(5).unsqueeze(0).expand(x.shape[0], -1)), ["add"], {"table": (5, 8)}),
    ],
)  # fmt: skip
def test_what_is_the_same_for_every_sample(fn, found, params):
    front = check_equal(many(fn), 5, 8)
    assert ops(front) == found
    assert params in (None, {n: p.shape for n, p in front.params.items()})


@pytest.mark.parametrize("kind", ["weight", "spectral", "orthogonal"])
def test_parametrized_layers(kind):
    p = nn.utils.parametrizations
    layer = {"weight": p.weight_norm, "spectral": p.spectral_norm, "orthogonal": p.orthogonal}[kind](nn.Linear(8, 8))
    front = check_equal(nn.Sequential(layer), 5, 8)
    assert set(front.params) == {"0.weight", "0.bias"}
    np.testing.assert_allclose(front.params["0.weight"], layer.weight.detach().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (lambda m, x: m.pos.expand(x.shape[0], -1, -1), "output 0: 'expand' is a parameter for every sample, which"),
        (lambda m, x: m.pos.expand(x.shape[0], -1, -1).softmax(-1) * x[:, :1], "which only cat, + - and * may read"),
        (lambda m, x: x / m.token.expand(x.shape[0], 5, 8), "which only cat, + - and * may read"),
        (lambda m, x: m.w * 2, "output 0: 'mul' is a parameter where a value is expected; add it to"),
        (lambda m, x: F.linear(x, m.i * m.i[:, None]), "parameter 'mul' is torch.int64; weights must be real"),
        (lambda m, x: F.linear(x, x[0]), "axis 0 is the batch"),
        (lambda m, x: F.layer_norm(x, (8,), m.fc(x)[0, 0]), "axis 0 is the batch"),
        (lambda m, x: F.linear(x, torch.rand(8, 8)), "aten.rand.default in the model"),
        (lambda m, x: x + torch.arange(x.shape[0])[:, None, None], "'slice_1' depends on the number of samples"),
        (lambda m, x: x * (m.w - m.w).reciprocal()[0], "parameter 'select': inf at index (0,); weights must be finite"),
        (lambda m, x: x + (m.w - m.w).reciprocal()[0], "adds infinity; a mask goes straight into a softmax"),
        (lambda m, x: x.repeat(1, 2, 1), "use expand, or cat, on values"),
    ],
)  # fmt: skip
def test_refusals(fn, told):
    with pytest.raises(ValueError, match=re.escape(told)) as e:
        export(many(fn), torch.zeros(3, 5, 8))
    assert len(str(e.value).splitlines()) == 1


def test_the_front_graph_has_numbers_of_its_own():
    model = seeded(many(lambda m, x: F.linear(x, m.w.mT.mT) + m.pos[:, :5]))
    front = export(model, torch.zeros(3, 5, 8))
    before = {n: p.copy() for n, p in front.params.items()}
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
    for name, p in front.params.items():
        np.testing.assert_array_equal(p, before[name])
        assert p.any()
