"""Each supported torch operation: the front graph computes what torch does; the rest is refused with a reason."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: torch operations (pip install 'hwsim[algos]')")
nn, F = torch.nn, torch.nn.functional

from algos.export import export  # noqa: E402
from algos.prepare import as_batch  # noqa: E402


class Fn(nn.Module):
    """A model of one function, with a few parameters at hand."""

    def __init__(self, fn):
        super().__init__()
        torch.manual_seed(0)
        self.fn, self.p = fn, nn.Parameter(torch.rand(6, 1) + 0.5)
        self.register_buffer("b", torch.randn(6, 8))

    def forward(self, x):
        return self.fn(self, x)


def check_equal(model, *shape):
    """Export on two samples, compare on five; the operations."""
    torch.manual_seed(1)
    model.eval()
    front = export(model, torch.zeros(2, *shape))
    x = 3 * torch.randn(5, *shape)
    with torch.no_grad():
        want = model(x.clone())  # a layer in place would change x
    want = want if isinstance(want, tuple) else (want,)
    values = front.evaluate({name: x.numpy() for name in front.inputs})
    for name, y in zip(front.outputs, want, strict=True):
        assert values[name].shape == tuple(y.shape)
        np.testing.assert_allclose(values[name], y.numpy(), rtol=1e-4, atol=2e-5)
    return [n.op for n in front.nodes]


def convolutions(rank, n):
    """Seeded layers: every stride, dilation, group and padding."""
    rng, conv = np.random.default_rng(rank), (nn.Conv1d, nn.Conv2d)[rank - 1]
    for i in range(n):
        kernel, dilation, groups = (
            rng.integers(1, 5, rank).tolist(),
            rng.integers(1, 3, rank).tolist(),
            (1, 2, 3, 6)[i % 4],
        )
        padding = ("same", "valid", tuple(rng.integers(0, 3, rank).tolist()))[i % 3]
        stride = 1 if padding == "same" else tuple(rng.integers(1, 4, rank).tolist())
        settings = {"stride": stride, "padding": padding, "dilation": tuple(dilation), "groups": groups}
        yield conv(6, 6 * (i % 2 + 1), tuple(kernel), bias=i % 5 > 0, **settings)


def normed(layer):
    """With statistics that are not those of a new layer."""
    torch.manual_seed(2)
    with torch.no_grad():
        for t in (layer.running_mean, layer.weight, layer.bias):
            if t is not None:
                t.normal_()
        layer.running_var.uniform_(0.2, 2)
    return layer


@pytest.mark.parametrize("layer", list(convolutions(1, 12)), ids=str)
def test_conv1d(layer):
    assert check_equal(layer, 6, 17) == ["conv1d"]


@pytest.mark.parametrize("layer", list(convolutions(2, 12)), ids=str)
def test_conv2d(layer):
    assert check_equal(layer, 6, 11, 13) == ["conv2d"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(6), (6,)),
        (nn.BatchNorm1d(6, eps=0.1), (6, 5)),
        (nn.BatchNorm2d(6), (6, 4, 3)),
        (nn.BatchNorm1d(6, affine=False), (6, 5)),
    ],
    ids=str,
)
def test_batch_norm(layer, shape):
    assert check_equal(nn.Sequential(normed(layer)), *shape) == ["batch_norm"]


@pytest.mark.parametrize(
    ("layer", "op"),
    [
        *(
            (nn.ReLU(), "relu"),
            (nn.ReLU6(), "relu6"),
            (nn.Hardtanh(0, 6), "relu6"),
            (nn.Hardswish(inplace=True), "hardswish"),
        ),
        *((nn.Hardsigmoid(), "hardsigmoid"), (nn.Sigmoid(), "sigmoid"), (nn.Tanh(), "tanh"), (nn.SiLU(), "silu")),
        *((nn.GELU(), "gelu"), (nn.GELU(approximate="tanh"), "gelu")),
        *((Fn(lambda m, x: x.clamp(0, 6)), "relu6"), (Fn(lambda m, x: x.clamp(min=0)), "relu")),
    ],
    ids=str,
)
def test_functions_of_one_value(layer, op):
    assert check_equal(layer, 6, 8) == [op]


@pytest.mark.parametrize(
    ("fn", "ops"),
    [
        (lambda m, x: x + x.relu(), ["relu", "add"]),
        (lambda m, x: x * x, ["mul"]),
        (lambda m, x: x * m.p, ["mul"]),
        (lambda m, x: m.b + x, ["add"]),
        (lambda m, x: 3 + 2 * x, ["mul", "add"]),
        (lambda m, x: x - x.relu(), ["relu", "mul", "add"]),
        (lambda m, x: x - m.b, ["add"]),
        (lambda m, x: m.b - x, ["mul", "add"]),
        (lambda m, x: 1 - x, ["mul", "add"]),
        (lambda m, x: -(x - 0.5), ["add", "mul"]),
        (lambda m, x: x / 3, ["mul"]),
        (lambda m, x: x / m.p, ["mul"]),
        (lambda m, x: x * x.mean(2, keepdim=True), ["mean", "mul"]),
        (lambda m, x: x.clone().mul_(0.5).sub_(1), ["mul", "add"]),
    ],
)
def test_sums_and_products(fn, ops):
    assert check_equal(Fn(fn), 6, 8) == ops


@pytest.mark.parametrize(
    ("layer", "shape", "ops"),
    [
        (nn.MaxPool1d(3, 2, 1), (6, 9), ["max_pool1d"]),
        (nn.MaxPool2d((2, 3), (1, 2), (1, 0)), (6, 8, 9), ["max_pool2d"]),
        (nn.MaxPool2d(2), (6, 8, 9), ["max_pool2d"]),
        (nn.AvgPool1d(3, 2, 1), (6, 9), ["avg_pool1d"]),
        (nn.AvgPool2d(2, count_include_pad=False), (6, 8, 9), ["avg_pool2d"]),
        (nn.AvgPool2d((3, 2), 1, (1, 1)), (6, 8, 9), ["avg_pool2d"]),
        (nn.AdaptiveAvgPool1d(1), (6, 9), ["mean"]),
        (nn.AdaptiveAvgPool2d((1, 1)), (6, 8, 9), ["mean"]),
        (nn.AdaptiveAvgPool2d((4, 3)), (6, 8, 9), ["avg_pool2d"]),
        (Fn(lambda m, x: x.mean(2)), (6, 8, 3), ["mean", "reshape"]),
        (Fn(lambda m, x: x.mean((-1, 1), keepdim=True)), (6, 8, 3), ["mean"]),
    ],
    ids=str,
)
def test_pools_and_means(layer, shape, ops):
    assert check_equal(layer, *shape) == ops


@pytest.mark.parametrize(
    ("fn", "ops"),
    [
        (lambda m, x: torch.cat([x, x.relu()], 1), ["relu", "concat"]),
        (lambda m, x: torch.cat([x, x], -1), ["concat"]),
        (lambda m, x: torch.stack([x, x], 2), ["reshape", "reshape", "concat"]),
        (lambda m, x: x.transpose(1, 2), ["transpose"]),
        (lambda m, x: x.mT, ["transpose"]),
        (lambda m, x: x.unsqueeze(3).permute(0, 3, 2, 1), ["reshape", "transpose"]),
        (lambda m, x: x.transpose(1, 1), []),
        (lambda m, x: x[:, 1:, ::3], ["slice", "slice"]),
        (lambda m, x: x[:, -4:-1], ["slice"]),
        (lambda m, x: x.narrow(2, 3, 4), ["slice"]),
        (lambda m, x: x[:, 0], ["slice", "reshape"]),
        (lambda m, x: x[..., -1], ["slice", "reshape"]),
        (lambda m, x: x[:, :, None, :2].expand(-1, -1, 3, -1), ["reshape", "slice", "expand"]),
        (lambda m, x: x.expand(-1, 6, 8), []),
        (lambda m, x: x.chunk(4, 2)[1:], ["slice", "slice", "slice"]),
        (lambda m, x: x.split([1, 5], 1), ["slice", "slice"]),
        (lambda m, x: x.split(4, 1)[1], ["slice"]),
        (lambda m, x: x.split(6, 1)[0], []),
        (lambda m, x: x.unbind(1)[2], ["slice", "reshape"]),
        (lambda m, x: x.flatten(1).unflatten(1, (2, 24)).squeeze(), ["reshape", "reshape"]),
        (lambda m, x: F.dropout(x, 0.5, m.training), []),
    ],
)
def test_movement(fn, ops):
    assert check_equal(Fn(fn), 6, 8) == ops


NORMS = {"weight": torch.linspace(0.5, 2, 48), "bias": torch.linspace(-1, 1, 48)}


@pytest.mark.parametrize(
    ("fn", "ops"),
    [
        (lambda m, x: nn.LayerNorm(8)(x), ["layer_norm"]),
        (lambda m, x: F.layer_norm(x, (8,), NORMS["weight"][:8], NORMS["bias"][:8], 0.1), ["layer_norm"]),
        (lambda m, x: F.layer_norm(x, (8,), None, NORMS["bias"][:8]), ["layer_norm"]),
        (lambda m, x: F.layer_norm(x, (8,), NORMS["weight"][:8]), ["layer_norm"]),
        (lambda m, x: torch.native_layer_norm(x, (8,), None, None, 0.5)[0], ["layer_norm"]),
        (
            lambda m, x: F.layer_norm(x, (6, 8), *(n.reshape(6, 8) for n in NORMS.values())),
            ["reshape", "layer_norm", "reshape"],
        ),
        (lambda m, x: nn.RMSNorm(8, elementwise_affine=False)(x), ["rms_norm"]),
        (lambda m, x: F.rms_norm(x * 1e-4, (8,), NORMS["weight"][:8]), ["mul", "rms_norm"]),
        (lambda m, x: F.rms_norm(x, (6, 8), NORMS["weight"].reshape(6, 8), 0.1), ["reshape", "rms_norm", "reshape"]),
        (lambda m, x: x.softmax(-1), ["softmax"]),
        (lambda m, x: F.softmax(x, 1), ["transpose", "softmax", "transpose"]),
        (lambda m, x: torch.softmax(100 * x, 2), ["mul", "softmax"]),
        (lambda m, x: x**2 + x.square(), ["mul", "mul", "add"]),
        (lambda m, x: x @ x.transpose(1, 2), ["transpose", "matmul"]),
        (lambda m, x: torch.bmm(x, x.mT), ["transpose", "matmul"]),
        (lambda m, x: x.unsqueeze(1) @ x.mT.unsqueeze(1), ["reshape", "transpose", "reshape", "matmul"]),
    ],
)
def test_norms_softmax_and_products(fn, ops):
    assert check_equal(Fn(fn), 6, 8) == ops


def test_embedding():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.fc = nn.Embedding(11, 4, padding_idx=0), nn.Linear(4, 2)

        def forward(self, ids):
            return self.fc(self.words(ids).mean(1))

    model, ids = Words().eval(), np.random.default_rng(0).integers(0, 11, (5, 3))
    front = export(model, torch.zeros(2, 3, dtype=torch.int64))
    assert [n.op for n in front.nodes] == ["embedding", "mean", "reshape", "linear"]
    got = front.evaluate(as_batch(front, 0, ids))[front.outputs[0]]
    np.testing.assert_allclose(got, model(torch.from_numpy(ids)).detach().numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="an embedding or a mask reads integers"):
        as_batch(front, 0, ids + 0.5)


@pytest.mark.parametrize(
    ("fn", "told"),
    [
        (lambda m, x: F.hardtanh(x), "limits -1.0 and 1.0; only 0 and 6"),
        (lambda m, x: F.max_pool1d(x, 3, ceil_mode=True), "ceil_mode = True"),
        (lambda m, x: F.max_pool1d(x, 2, dilation=2), "dilation"),
        (lambda m, x: F.avg_pool1d(x, 3, 1, 1, count_include_pad=False), "count_include_pad = False with padding"),
        (lambda m, x: F.avg_pool2d(x[:, None], 2, divisor_override=3), "divisor_override = 3"),
        (lambda m, x: F.max_pool2d(x, 2), "must have 4 axes: batch, channels, space"),
        (lambda m, x: F.adaptive_avg_pool1d(x, 3), r"from [8] to [3]: windows of several sizes"),
        (lambda m, x: x.mean(0), "axis 0 is the batch"),
        (lambda m, x: x[0], "axis 0 is the batch"),
        (lambda m, x: torch.cat([x, x], 0), "axis 0 is the batch"),
        (lambda m, x: x.permute(1, 0, 2).relu()[0], "must stay axis 0"),
        (lambda m, x: x[:, :, :0], "leaves nothing"),
        (lambda m, x: x / 0, "division by 0"),
        (lambda m, x: x * torch.rand(8), "aten.rand.default"),
        (lambda m, x: torch.sub(x, x, alpha=2), "alpha = 2"),
        (lambda m, x: F.pad(x, (1, 1)), "give the convolution its padding"),
        (lambda m, x: m.b.expand(x.shape[0], -1, -1).relu() + x, "which only cat, + - and * may read"),
        (lambda m, x: F.adaptive_max_pool1d(x, 1), "not supported; use linear"),
    ],
)
def test_refusals(fn, told):
    with pytest.raises(ValueError) as e:  # noqa: PT011  looked at below
        export(Fn(fn), torch.zeros(3, 6, 8))
    assert told in str(e.value)
    assert len(str(e.value).splitlines()) == 1
