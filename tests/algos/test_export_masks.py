"""Inputs of 0 and 1: every usual spelling of a padding mask gives one graph; masked means; vectors of length 1."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: export of masks (hwsim[algos])")
nn, F = torch.nn, torch.nn.functional

from algos.export import export  # noqa: E402
from algos.torch_front import FloatModule  # noqa: E402
from hwsim import QTensor, simulate  # noqa: E402
from hwsim.quantization import quantize_model  # noqa: E402
from tests.algos.exported import seeded  # noqa: E402
from tests.backends import check_engines  # noqa: E402

SDPA = F.scaled_dot_product_attention
MIN = torch.finfo(torch.float32).min
INF = torch.inf
CAUSAL = torch.ones(5, 5).tril().bool()
KEPT = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]])
DTYPES = (torch.bool, torch.int64, torch.float32)


class Masked(nn.Module):
    """A function of x (n, 5, 8) and a mask m (n, 5)."""

    def __init__(self, fn, **parts):
        super().__init__()
        self.fn, self.fc = fn, nn.Linear(8, 8)
        self.register_buffer("causal", CAUSAL)
        self.register_buffer("additive", torch.zeros(5, 5).masked_fill(~CAUSAL, -INF))
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x, m):
        return self.fn(self, self.fc(x), m)


def scores(x):
    return x @ x.mT


def check_masked(fn, dtype, **parts):
    """Torch's numbers, the definition's and its twin's; near float and equal on the engines. The front graph."""
    model = seeded(Masked(fn, **parts))
    x, m = torch.randn(3, 5, 8), KEPT.to(dtype)
    with torch.no_grad():
        want = model(x, m).numpy()
    front = export(model, (x, m))
    (out,) = front.outputs
    y = front.evaluate({"x": x.numpy(), "m": m.numpy()})[out]
    np.testing.assert_allclose(y, want, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(FloatModule(front)(x, m.float()).detach().numpy(), y, rtol=2e-5, atol=2e-6)
    data = {"x": np.random.default_rng(0).normal(size=(60, 5, 8)), "m": np.tile(KEPT, (20, 1)).astype(np.float32)}
    data["x"] = data["x"].astype(np.float32)
    g = quantize_model(front, [data]).graph
    real, got = front.evaluate(data)[out], QTensor(g.outputs[0].type, simulate(g, data)[out]).dequantize()
    assert 10 * np.log10(np.square(real).sum() / np.square(real - got).sum()) > 28
    check_engines(g, {name: v[:3] for name, v in data.items()}, against=("numba", "c", "ort"))
    return front


def plain(front):
    """Operations but for movement, and what each reads."""
    return [(n.op, len(n.ins), {k: v for k, v in n.attrs.items() if k != "shape"}) for n in front.nodes]


PADDING = {  # all the same attention
    "sdpa": lambda s, x, m: SDPA(x, x, x, attn_mask=(m != 0)[:, None, :]),
    "sdpa, expanded": lambda s, x, m: SDPA(x, x, x, attn_mask=(m > 0)[:, None, :].expand(-1, 5, -1)),
    "== 0": lambda s, x, m: scores(x).mul(8**-0.5).masked_fill(m[:, None] == 0, -INF).softmax(-1) @ x,
    "~": lambda s, x, m: scores(x).mul(8**-0.5).masked_fill(~(m[:, None] > 0), -1e9).softmax(-1) @ x,
    "logical_not": lambda s, x, m: (
        scores(x).mul(8**-0.5).masked_fill(m.bool().logical_not().unsqueeze(1), -1e4).softmax(-1) @ x
    ),
    "where": lambda s, x, m: torch.where(m.bool()[:, None], scores(x).mul(8**-0.5), -1e9).softmax(-1) @ x,
    "where not": lambda s, x, m: torch.where(m[:, None] == 0, -INF, scores(x).mul(8**-0.5)).softmax(-1) @ x,
    "1 - m": lambda s, x, m: (scores(x).mul(8**-0.5) + (1.0 - m.float())[:, None, :] * MIN).softmax(-1) @ x,
    "-1e4": lambda s, x, m: (scores(x).mul(8**-0.5) + (1.0 - m.float()).view(-1, 1, 5) * -1e4).softmax(-1) @ x,
    "m - 1": lambda s, x, m: ((m.float() - 1)[:, None, :] * 1e9 + scores(x).mul(8**-0.5)).softmax(-1) @ x,
    "inverted": lambda s, x, m: (
        scores(x).mul(8**-0.5) + inverted(m[:, None, :].expand(-1, 5, -1).float())
    ).softmax(-1) @ x,
}  # fmt: skip


def inverted(m):
    """As transformers writes it."""
    i = 1.0 - m
    return i.masked_fill(i.to(torch.bool), MIN)


@pytest.mark.parametrize("spelling", PADDING)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_spelling_of_a_padding_mask_is_one_graph(spelling, dtype):
    front = check_masked(PADDING[spelling], dtype)
    assert front.masks() == {"m"}
    found = [(n.op, n.ins[1:]) for n in front.nodes if n.op in ("mask", "softmax", "not", "masked", "expand")]
    reshaped = next(n.out for n in front.nodes if n.op == "reshape")
    assert found == [("mask", ()), ("softmax", (reshaped,))]


BOTH = {  # padding and causal
    "&": lambda s, x, m: scores(x).masked_fill(~(s.causal & m[:, None, :].bool()), -INF).softmax(-1) @ x,
    "|": lambda s, x, m: scores(x).masked_fill(~s.causal | (m[:, None, :] == 0), -INF).softmax(-1) @ x,
    "one after the other": lambda s, x, m: (scores(x) + s.additive + (1.0 - m.float())[:, None] * -1e9).softmax(-1) @ x,
    "sum": lambda s, x, m: (scores(x) + (s.additive.clamp(min=MIN) + (1 - m.float())[:, None] * MIN)).softmax(-1) @ x,
    "two paddings": lambda s, x, m: (
        scores(x) + (1 - (m.float()[:, None] * (m[:, :, None] != 2).float())) * -1e9
    ).softmax(-1) @ x,
    "encoder": lambda s, x, m: s.e(x, mask=s.additive, src_key_padding_mask=m == 0),
    "encoder layer": lambda s, x, m: s.e.layers[0](x, src_key_padding_mask=(1 - m.float()) * -1e9),
    "multihead": lambda s, x, m: s.a(x, x, x, key_padding_mask=m == 0)[0],
    "multihead, causal": lambda s, x, m: s.a(x, x, x, key_padding_mask=m == 0, attn_mask=~s.causal)[0],
    "multihead, weights": lambda s, x, m: s.a(x, x, x, key_padding_mask=m == 0)[1],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Support for mismatched")  # torch's, for a mask of floats beside one of bools
@pytest.mark.parametrize("name", BOTH)
def test_masks_of_torchs_layers_and_with_constants(name):
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2)
    front = check_masked(BOTH[name], torch.int64, e=encoder, a=nn.MultiheadAttention(8, 2, batch_first=True))
    assert front.masks() == {"m"}
    assert any(len(n.ins) > 1 for n in front.nodes if n.op == "softmax")


POOLS = {
    "mean": lambda s, x, m: (x * m.unsqueeze(-1)).sum(1) / m.sum(1, keepdim=True),
    "kept axes": lambda s, x, m: x.masked_fill(m[..., None] == 0, 0.0).sum(1, True) / m.sum(1, True)[..., None],
    "sentence-transformers": lambda s, x, m: (
        (x * m.unsqueeze(-1).expand(x.size()).float()).sum(1)
        / torch.clamp(m.unsqueeze(-1).expand(x.size()).float().sum(1), min=1e-9)
    ),
    "unit": lambda s, x, m: F.normalize((x * m[..., None]).sum(1) / m.sum(1, keepdim=True).clamp(min=1), dim=-1),
    "norm": lambda s, x, m: torch.where(m[..., None] != 0, x / x.norm(dim=-1, keepdim=True), 0.0),
    "halved": lambda s, x, m: x * (m.float()[..., None] * 0.5),
    "the others": lambda s, x, m: x * (1 - m.float())[..., None],
    "as a number": lambda s, x, m: x + (2 * m.float() - 1)[..., None],
}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_masked_means_and_unit_vectors(name, dtype):
    if dtype == torch.bool and name in ("the others",):
        dtype = torch.int64
    front = check_masked(POOLS[name], dtype)
    if dtype != torch.float32:  # floats that only products and sums read may be any number
        assert front.masks() == {"m"}


REFUSED = {
    "half a mask": (lambda s, x, m: scores(x).masked_fill(m[:, None] == 3, -INF).softmax(-1), "all or nothing"),
    "other axis": (lambda s, x, m: scores(x).masked_fill(m[:, None] == 0, -INF).softmax(1), "over the last axis"),
    "log of a mask": (lambda s, x, m: scores(x).masked_fill(m[:, None] == 0, -INF).log_softmax(-1), "softmax"),
    "log along rows": (lambda s, x, m: x.log_softmax(1), "axis 1 of 3"),
    "not a softmax": (lambda s, x, m: x.masked_fill(m[..., None] == 0, -INF).relu(), "right before a softmax"),
    "three numbers": (lambda s, x, m: (m[:, None] + torch.arange(5.0)) * x[..., :5], "beside a mask a constant may"),
    "ids": (lambda s, x, m: F.embedding(m, s.fc.weight) + (m != 0).float()[..., None], "aten.ne.Scalar"),
    "length": (lambda s, x, m: x.norm(dim=-1, keepdim=True).relu(), "only a quotient may read it"),
    "another's length": (lambda s, x, m: x / x.relu().norm(dim=-1, keepdim=True), "only a vector by its own"),
    "norm of all": (lambda s, x, m: x / x.norm(), "only ord=2, dim=-1, keepdim=True"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    fn, told = REFUSED[name]
    with pytest.raises(ValueError, match=r"(test_export_masks.py:\d+|output 0): ") as e:
        export(seeded(Masked(fn)), (torch.randn(3, 5, 8), KEPT))
    assert told in str(e.value)
