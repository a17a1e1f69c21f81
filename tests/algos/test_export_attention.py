"""Attention, its masks and torch's transformer layers: torch's own numbers, told names, all refusals at once."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: export of attention (pip install 'hwsim[algos]')")
nn, F = torch.nn, torch.nn.functional

from algos.export import export  # noqa: E402
from algos.models.vit_tiny import ViT  # noqa: E402
from tests.algos.exported import Fn, check_equal, ops, seeded  # noqa: E402

CAUSAL = torch.ones(5, 5).tril().bool()
MINUS = torch.zeros(5, 5).masked_fill(~CAUSAL, -torch.inf)
ATTENTION = ["matmul", "softmax", "matmul"]
SELF = ["linear"] * 3 + [*ATTENTION, "linear"]
ENCODER = [*SELF, "add", "layer_norm", "linear", "relu", "linear", "add", "layer_norm"]


def mha(**settings):
    return nn.MultiheadAttention(8, 2, batch_first=True, **settings)


def layer(**settings):
    return nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, **settings)


def decoder():
    return nn.TransformerDecoderLayer(8, 2, 9, batch_first=True)


class Timm(nn.Module):
    """Attention as timm writes it: the axis of q, k, v comes first, if only for a moment."""

    def __init__(self, take):
        super().__init__()
        self.qkv, self.proj, self.take, self.drop = nn.Linear(8, 24), nn.Linear(8, 8), take, nn.Dropout(0.5)

    def forward(self, x):
        n, t, c = x.shape
        qkv = self.qkv(x).reshape(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        q, k, v = self.take(qkv)
        a = self.drop(((q * 0.5) @ k.transpose(-2, -1)).softmax(dim=-1))
        return self.proj((a @ v).transpose(1, 2).reshape(n, t, c))


class GPT(nn.Module):
    """Causal attention with a buffer, as minGPT has it, on a sequence shorter than the buffer."""

    def __init__(self):
        super().__init__()
        self.attn, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.register_buffer("bias", torch.tril(torch.ones(9, 9)).view(1, 1, 9, 9))

    def forward(self, x):
        n, t, c = x.size()
        q, k, v = (y.view(n, t, 2, c // 2).transpose(1, 2) for y in self.attn(x).split(8, dim=2))
        att = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
        att = att.masked_fill(self.bias[:, :, :t, :t] == 0, float("-inf"))
        att = F.softmax(att, dim=-1)
        return self.proj((att @ v).transpose(1, 2).contiguous().view(n, t, c))


class Llama(nn.Module):
    """RMSNorm, rotary positions, fewer heads of keys, a gated unit."""

    def __init__(self):
        super().__init__()
        self.norm, self.q, self.kv = nn.RMSNorm(8), nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.gate, self.up, self.down = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 8)

    def turned(self, x):
        angles = torch.outer(torch.arange(x.shape[2]).float(), 100 ** (-torch.arange(0, 4, 2).float() / 4))
        cos, sin = (torch.cat((f(angles), f(angles)), -1) for f in (torch.cos, torch.sin))
        a, b = x.chunk(2, -1)
        return x * cos + torch.cat((-b, a), -1) * sin

    def forward(self, x):
        y = self.norm(x)
        q = self.q(y).unflatten(-1, (2, 4)).transpose(1, 2)
        k, v = (z.unflatten(-1, (1, 4)).transpose(1, 2).expand(-1, 2, -1, -1) for z in self.kv(y).chunk(2, -1))
        y = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v, is_causal=True)
        y = self.norm(x + y.transpose(1, 2).flatten(2))
        return self.down(F.silu(self.gate(y)) * self.up(y))


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (layer(), ENCODER),
        (layer(norm_first=True, activation="gelu"), None),
        (nn.TransformerEncoder(layer(), 2), ENCODER * 2),
        (nn.TransformerEncoder(layer(norm_first=True), 2, norm=nn.LayerNorm(8), enable_nested_tensor=False), None),
        (Fn(lambda m, x: m.e(x, mask=m.m), e=nn.TransformerEncoder(layer(), 2), m=MINUS), ENCODER * 2),
        (Fn(lambda m, x: m.e(x, src_mask=m.m, is_causal=True), e=layer(), m=~CAUSAL), ENCODER),
        (Fn(lambda m, x: m.e(x, x[:, :3].relu(), m.m), e=decoder(), m=MINUS), None),
        (Fn(lambda m, x: m.e(x, x.relu(), x.neg()), e=mha()), None),
        (Fn(lambda m, x: m.e(x, x, x)[0], e=mha(bias=False)), SELF),
        (Fn(lambda m, x: m.e(x, x, x, need_weights=False)[0], e=mha(dropout=0.5)), SELF),
        (Fn(lambda m, x: m.e(x, x, x, attn_mask=m.m, average_attn_weights=False), e=mha(), m=~CAUSAL), None),
        (Fn(lambda m, x: m.e(x, x[:, :3, :6], x[:, :3, 5:])[0], e=mha(kdim=6, vdim=3)), None),
        (Timm(lambda qkv: qkv.unbind(0)), None),
        (Timm(lambda qkv: (qkv[0], qkv[1], qkv[2])), None),
        (Timm(lambda qkv: (y.contiguous() for y in qkv.contiguous())), None),
        (Timm(lambda qkv: qkv.transpose(3, 4).transpose(3, 4).unbind(0)), None),
        (GPT(), ["linear", "matmul", "mul", "softmax", "matmul", "linear"]),
        (Llama(), None),
    ],
)  # fmt: skip
def test_nets_give_torchs_numbers(model, found):
    front = check_equal(model, 5, 8)
    assert found in (None, ops(front))


def test_the_vision_transformer():
    front = check_equal(ViT(2), 28, 28)
    assert front.params["token.expand"].shape == (1, 64)
    assert ops(front)[:4] == ["conv2d", "concat", "add", "layer_norm"]
    assert front.nodes[-1].out == "head"


def test_names_tell_what_is_what():
    front = export(Fn(lambda m, x: m.body(x), body=nn.Sequential(layer())), torch.zeros(2, 5, 8))
    table = {n.out: n.ins for n in front.nodes if n.op not in ("reshape", "transpose")}
    at = "body.0.self_attn"
    assert list(table)[:7] == [f"{at}.{n}" for n in ("q", "k", "v", "scores", "softmax", "context", "out_proj")]
    assert list(table)[7:] == [f"body.0.{n}" for n in ("add", "norm1", "linear1", "relu", "linear2", "add.1", "norm2")]
    assert table[f"{at}.k"] == ("x", f"{at}.k.weight", f"{at}.k.bias")
    assert front.params[f"{at}.k.weight"].shape == (8, 8)
    assert not any("in_proj" in name for name in front.params)
    assert {n.where for n in front.nodes} == {front.nodes[0].where}
    assert front.nodes[0].where.startswith("exported.py:")  # where Fn's forward calls the function


def test_equal_masks_are_one_parameter():
    model = Fn(lambda m, x: m.e(x, mask=m.m), e=nn.TransformerEncoder(layer(), 2), m=MINUS)
    front = export(model, torch.zeros(2, 5, 8))
    (name,) = (n for n in front.params if n.endswith("mask"))
    np.testing.assert_array_equal(front.params[name], CAUSAL.numpy())
    assert [n.ins[1] for n in front.nodes if n.op == "softmax"] == [name, name]


@pytest.mark.parametrize(("broken", "fused"), [(False, True), (True, True), (False, False)])
def test_the_model_stays_as_it_was(broken, fused):
    model = nn.Sequential(layer(), decoder())
    detect = torch.nn.modules.transformer._detect_is_causal_mask

    def state():
        return [(n, type(m), m.training, dict(m._modules), set(vars(m))) for n, m in model.named_modules()]

    before, keys = state(), list(model.state_dict())
    try:
        torch.backends.mha.set_fastpath_enabled(fused)
        if broken:
            with pytest.raises(ValueError, match="torch cannot export"):
                export(model, torch.zeros(2, 5, 8))
        else:
            export(model[0], torch.zeros(2, 5, 8))
        assert torch.backends.mha.get_fastpath_enabled() == fused
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert state() == before
    assert list(model.state_dict()) == keys
    assert torch.nn.modules.transformer._detect_is_causal_mask is detect


def test_an_attention_of_the_users_own_is_left_alone():
    class Mine(nn.MultiheadAttention):
        def forward(self, x):
            return F.linear(x, self.in_proj_weight[:8])

    assert ops(check_equal(nn.Sequential(Mine(8, 2)), 5, 8)) == ["linear"]


def scored(fn):
    """A function of scores (n, 5, 5); m is minus infinity above the diagonal, b finite."""
    return Fn(lambda m, x: fn(m, x @ x.transpose(-2, -1)), m=MINUS.clone(), b=torch.linspace(-3, 3, 25).reshape(5, 5))


@pytest.mark.parametrize(
    ("fn", "found"),
    [
        (lambda m, s: (s + m.m).softmax(-1), []),
        (lambda m, s: (m.m[None] + s).softmax(-1), []),
        (lambda m, s: (s / 2 + m.m).softmax(-1), ["mul"]),
        (lambda m, s: (s + m.m.clamp(min=-1e9)).softmax(-1), []),
        (lambda m, s: (s + m.b).softmax(-1), ["add"]),
        (lambda m, s: (s + (m.m + m.b)).softmax(-1), ["add"]),
        (lambda m, s: (s + m.b + m.m).softmax(-1), ["add"]),
        (lambda m, s: (s + m.m + m.b).softmax(-1), ["add"]),
        (lambda m, s: (s.relu() + (s + m.m)).softmax(-1), ["relu", "add"]),
        (lambda m, s: (s - 1e9 * (m.m < 0)).softmax(-1), []),
        (lambda m, s: (s - 1e9 * (m.m < 0) + m.m[2]).softmax(-1), []),
        (lambda m, s: (s + m.m.expand(s.shape[0], -1, -1)).softmax(-1), []),
        (lambda m, s: s.masked_fill(m.m != 0, -torch.inf).float().softmax(-1), []),
        (lambda m, s: s.masked_fill(m.m.bool(), torch.finfo(s.dtype).min).softmax(-1), []),
        (lambda m, s: s.masked_fill(torch.ones_like(s).triu(1).bool(), -1e4).softmax(-1), []),
        (lambda m, s: s.masked_fill(m.m < 0, -torch.inf).masked_fill(m.m[2] < 0, -1e9).softmax(-1), []),
        (lambda m, s: torch.where(m.m == 0, s, -torch.inf).softmax(-1), []),
        (lambda m, s: torch.where(m.m < 0, -1e9, s).softmax(-1), []),
        (lambda m, s: torch.where(m.m == 0, s, torch.tensor(-1e9)).softmax(-1), []),
        (lambda m, s: s.masked_fill(m.m.T < 0, -torch.inf).softmax(1), []),
        (lambda m, s: s.masked_fill(m.m > 0, -torch.inf).softmax(-1), []),
        (lambda m, s: F.softmax(s, 1, dtype=torch.float32), []),
        (lambda m, s: s - 20000, ["add"]),
        (lambda m, s: (s + m.m.clamp(min=-3e4)).relu(), ["add", "relu"]),
    ],
)
def test_masks(fn, found):
    front = check_equal(scored(fn), 5, 8)
    softmax = [op for op in ops(front)[1:] if op == "softmax"]
    assert ops(front) == ["matmul", *found, *softmax]


def test_a_mask_for_each_head():
    mask = torch.stack([MINUS, MINUS.flip(0, 1).T])
    x4 = Fn(lambda m, x: m.attend(x.unflatten(-1, (2, 4)).transpose(1, 2)), m=mask)
    for attend in (
        lambda q: F.scaled_dot_product_attention(q, q, q, attn_mask=x4.m[None], scale=0.7),
        lambda q: F.scaled_dot_product_attention(q, q, q, attn_mask=x4.m == 0),
        lambda q: F.scaled_dot_product_attention(q, q[:, :, :3], q[:, :, :3], attn_mask=x4.m[..., :3] / 2 - 1),
        lambda q: F.scaled_dot_product_attention(q, q[:, :, :3], q[:, :, :3], is_causal=True),
    ):
        x4.attend = attend
        check_equal(x4, 5, 8)


def heads(x, n):
    return x[:, None].expand(-1, n, -1, -1)


MODULES = {"mask": ~CAUSAL, "lstm": nn.LSTM(8, 8), "t": nn.Parameter(torch.ones(1, 1, 8)), "w": torch.ones(4, 5, 5)}
FIXED = "sequence lengths are fixed at lowering; give a constant"
SDPA = F.scaled_dot_product_attention


@pytest.mark.parametrize(
    ("attention", "fn", "told"),
    [
        (nn.MultiheadAttention(8, 2), lambda m, x: m.e(x, x, x)[0], "use batch_first=True"),
        (mha(add_bias_kv=True), lambda m, x: m.e(x, x, x)[0], "add_bias_kv is not supported; concatenate a token"),
        (mha(add_zero_attn=True), lambda m, x: m.e(x, x, x)[1], "add_zero_attn is not supported; leave it out"),
        (mha(), lambda m, x: m.e(x, x, x, key_padding_mask=x.new_zeros(x.shape[:2]))[0], None),
        (mha(), lambda m, x: m.e(x, x, x, attn_mask=torch.zeros(2 * x.shape[0], 5, 5))[0], f"{FIXED} one"),
        (mha(), lambda m, x: m.e(x[:, 0], x[:, 0], x[:, 0])[0], "give shape (batch, sequence, features)"),
        (mha(), lambda m, x: m.e(x, x, x, is_causal=True)[0], "is_causal alone; give attn_mask too"),
        (mha(), lambda m, x: m.e(x, x, x, attn_mask=~m.mask.T & m.mask)[0], None),
        (mha(), lambda m, x: m.e(x, x, x, attn_mask=m.mask | ~m.mask)[0], "nothing in row (0, 0), where torch"),
    ],
)  # fmt: skip
def test_refused_multihead_attention(attention, fn, told):
    model = Fn(lambda m, x: fn(m, x).relu(), e=attention, **MODULES)
    if told is None:
        export(model, torch.zeros(3, 5, 8))
        return
    with pytest.raises(ValueError, match=r"in 'e' at exported\.py:\d+: ") as e:
        export(model, torch.zeros(3, 5, 8))
    assert told in str(e.value)
    assert len(str(e.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (lambda m, x: SDPA(x, x, x, attn_mask=x @ x.mT), f"{FIXED} mask"),
        (lambda m, x: SDPA(x, x, x, dropout_p=0.5), "dropout_p = 0.5 stays on in eval mode; give 0.0"),
        (lambda m, x: SDPA(heads(x, 2), heads(x, 1), heads(x, 1)), "equal batch and heads: use expand, or enable_gqa"),
        (lambda m, x: SDPA(heads(x, 2), heads(x, 1), heads(x, 1), enable_gqa=True), None),
        (lambda m, x: SDPA(x[:, 0], x[:, 1], x[:, 2]), "give shape (batch, heads, sequence, features)"),
        (lambda m, x: SDPA(x, x, x, attn_mask=torch.zeros(5, 5).bool()), "nothing in row (0,), where torch gives NaN"),
        (lambda m, x: SDPA(x, x, x, attn_mask=m.mask | True), None),
        (lambda m, x: (x @ x.mT).masked_fill(m.mask, -torch.inf).relu(), "before a softmax, is supported; got -inf"),
        (lambda m, x: (x @ x.mT).masked_fill(m.mask, 0.0).softmax(-1), "is supported; got 0.0"),
        (lambda m, x: torch.where(m.mask, x[..., :5], x[..., 3:]), "is supported; got two values"),
        (lambda m, x: torch.where(m.mask, x[:, :1, :5], -1e9).softmax(-1), "use expand"),
        (lambda m, x: x.masked_fill(x == 0, -torch.inf).softmax(-1), f"on inputs is not supported: {FIXED} mask"),
        (lambda m, x: (x[..., :5] + torch.full((5,), -torch.inf)).relu(), "adds infinity; a mask goes straight"),
        (lambda m, x: x[..., :5].masked_fill(~m.mask | m.mask, -1e9).softmax(-1), "nothing in row (0,)"),
        (lambda m, x: x.softmax(0), "axis 0 is the batch"),
        (lambda m, x: m.w[0] @ x, "put the value first: (x.mT @ parameter.mT).mT"),
        (lambda m, x: x.new_zeros(x.shape[0], 5, 5) @ x, "put the value first"),
        (lambda m, x: x[:, None].expand(-1, 4, -1, -1) @ x[:, None].mT, "must be equal, use expand"),
        (lambda m, x: x[:, :4, None, :5] @ m.w, "a matrix (in, out) is supported"),
        (lambda m, x: x @ x.new_ones(x.shape[0], 8, 3), "is a parameter for every sample, which only cat"),
        (lambda m, x: torch.addmm(x[:, 0], x[:, 0], m.t[0].T @ m.t[0]), "must be parameters, beta and alpha 1"),
        (lambda m, x: m.lstm(x.transpose(0, 1))[0].transpose(0, 1), "use attention or convolutions"),
        (lambda m, x: torch.einsum("nij,nkj->nik", x, x).relu(), "use @, transpose and *"),
        (lambda m, x: F.normalize(x, dim=1), "only ord=2, dim=-1, keepdim=True"),
        (lambda m, x: F.group_norm(x, 5), "use nn.LayerNorm, nn.RMSNorm"),
        (lambda m, x: F.instance_norm(x), "use nn.LayerNorm, nn.RMSNorm"),
        (lambda m, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6), "use nn.LayerNorm, nn.RMSNorm"),
        (lambda m, x: x.pow(3), "exponent 3; only squares"),
        (lambda m, x: x.permute(1, 0, 2).flip(0)[0], "must stay axis 0"),
        (lambda m, x: x.permute(1, 0, 2)[:, :, 0], "must stay axis 0"),
        (lambda m, x: x.permute(1, 2, 0).contiguous().select(0, 1).softmax(-1), "must stay axis 0"),
    ],
)  # fmt: skip
def test_refusals_tell_why_and_what_to_do(fn, told):
    model = Fn(fn, **MODULES)
    if told is None:
        export(model, torch.zeros(3, 5, 8))
        return
    with pytest.raises(ValueError, match=r" in (the model|'lstm') at exported\.py:\d+: ") as e:
        export(model, torch.zeros(3, 5, 8))
    assert told in str(e.value)


def test_boolean_inputs_are_masks():
    front = export(Fn(lambda m, x: x.float()), torch.zeros(3, 5).bool())
    assert ([n.op for n in front.nodes], front.masks()) == (["mask"], {"x"})


def test_a_transformer_gets_all_its_problems_at_once():
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([layer(), nn.TransformerEncoderLayer(8, 2, 9, activation=F.elu)])
            self.attention = mha(add_zero_attn=True)
            self.norm = nn.GroupNorm(5, 5)

        def forward(self, x):
            for step in self.layers:
                x = step(x, src_key_padding_mask=x.sum(-1) == 0)
            return self.norm(self.attention(x, x, x)[0]) > 0

    with pytest.raises(ValueError, match="fixed at lowering") as e:
        export(Bad(), torch.zeros(3, 5, 8))
    told = [line.split(" at ")[0].split(" in ") for line in str(e.value).splitlines()]
    assert [(op, place) for op, place in told] == [
        ("aten.eq.Scalar", "the model"),
        ("hwsim.multihead_attention.default", "'layers.1.self_attn'"),
        ("aten.elu.default", "'layers.1'"),
        ("hwsim.multihead_attention.default", "'attention'"),
        ("aten.group_norm.default", "'norm'"),
        ("aten.gt.Scalar", "the model"),
    ]


def test_seeded_models_differ_from_new_ones():
    assert not torch.equal(seeded(nn.LayerNorm(8)).weight, torch.ones(8))
