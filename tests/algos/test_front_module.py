"""A prepared model in torch: quantizers where the lowering has them, eval mode equal to simulation on codes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: training of prepared models (pip install 'hwsim[algos]')")
nn, F = torch.nn, torch.nn.functional

import algos  # noqa: E402
from algos.data import scaled  # noqa: E402
from algos.examples import DS_CNN_FRONT, IMAGES, MLP_FRONT, RESNET8_FRONT, VIT_FRONT, WATCH  # noqa: E402
from algos.export import export  # noqa: E402
from algos.front_module import FrontModule  # noqa: E402
from algos.prepare import Prepared  # noqa: E402
from algos.torch_front import TORCH, FloatModule  # noqa: E402
from hwsim import Recipe, simulate  # noqa: E402
from hwsim.front import load_front  # noqa: E402
from hwsim.front_ops import FRONT_OPS  # noqa: E402
from hwsim.lowering.simplify import simplify  # noqa: E402


def images():
    with np.load(IMAGES) as z:
        return scaled(z["calibration"][:16]), scaled(z["images"][:32])


def windows():
    with np.load(WATCH) as z:
        return tuple(z[k].astype(np.float32) / z["unit"].astype(np.float32) for k in ("calibration", "windows"))


FRONTS = [(RESNET8_FRONT, images), (DS_CNN_FRONT, windows), (MLP_FRONT, images), (VIT_FRONT, images)]


class Everything(nn.Module):
    """Small layers of every kind, so that each front operation occurs."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(9, 8)
        self.conv, self.bn = nn.Conv1d(8, 6, 3, padding="same"), nn.BatchNorm1d(6)
        self.conv2 = nn.Conv2d(6, 4, (1, 3), padding=(0, 1))
        self.shift = nn.Parameter(torch.randn(4, 1, 1))
        self.query, self.norm = nn.Linear(10, 10), nn.LayerNorm(10)
        self.token, self.gain = nn.Parameter(torch.randn(1, 1, 10)), nn.Parameter(torch.rand(10) + 0.5)
        self.register_buffer("mask", torch.ones(5, 5, dtype=torch.bool).tril())
        self.fc = nn.Linear(10, 5)

    def forward(self, ids, x, drop):
        y = self.embedding(ids).transpose(1, 2) + x
        y = F.relu6(self.bn(self.conv(y))).unsqueeze(2)
        y = F.max_pool2d(F.hardswish(self.conv2(y)), (1, 2))
        y = F.avg_pool2d(F.silu(y), (1, 3), 1, (0, 1)) * self.shift
        gate = torch.sigmoid(y[:, 1:3].mean(3, keepdim=True)).expand(-1, 2, 1, y.shape[3])
        y = torch.cat([F.gelu(y), torch.tanh(y), gate], 1)
        y = F.max_pool1d(F.avg_pool1d(y.squeeze(2), 2, 1), 2, 1, 1) + F.hardsigmoid(y.mean((2, 3))).unsqueeze(2)
        y = y.transpose(1, 2)
        y = self.norm(torch.cat([self.token.expand(y.shape[0], -1, -1), y], 1))
        scores = (self.query(y) @ y.transpose(1, 2) * 10**-0.5).masked_fill(~self.mask, float("-inf"))
        scores, keep = scores.masked_fill(drop.unsqueeze(1), float("-inf")), (~drop).unsqueeze(2).float()
        y = F.rms_norm(y + torch.softmax(scores, -1) @ y, (10,), self.gain)
        pooled = (F.relu(y) * keep).sum(1) / keep.sum(1).clamp(min=1e-9)
        return F.log_softmax(self.fc(pooled), -1)


def everything():
    rng = np.random.default_rng(0)
    batch = {"ids": rng.integers(0, 9, (64, 8)), "x": rng.standard_normal((64, 8, 8)).astype(np.float32)}
    batch["drop"] = rng.random((64, 5)) < [0, 0.3, 0.3, 0.3, 0.3]  # the first key stays, every row has one
    front = export(Everything(), {name: torch.from_numpy(x[:2]) for name, x in batch.items()})
    return front, batch


def prepared(front, calibration, **settings):
    return algos.calibrate(Prepared(front=front, recipe=Recipe(**settings)), calibration)


def check_codes(p, inputs):
    """Torch's eval mode and both engines of the simulation on one batch; the module."""
    module, graph = FrontModule(p).eval(), algos.lower(p)
    got = module.codes({name: torch.from_numpy(x) for name, x in inputs.items()})
    codes = {name: x.astype(np.uint8) if x.dtype.kind == "i" else x for name, x in inputs.items()}
    for engine in ("numpy", "numba"):
        for name, want in simulate(graph, codes, engine=engine).items():
            np.testing.assert_array_equal(got[name].numpy(), want)
    (y,) = [module(*(torch.from_numpy(x) for x in inputs.values()))]
    (out,) = graph.outputs
    np.testing.assert_array_equal(
        y.numpy(), ((want.astype(int) - out.type.zero_point) * out.type.lsb).astype(np.float32)
    )
    return module


@pytest.mark.parametrize("contract", ["dyadic16", "onnx_float"])
@pytest.mark.parametrize(("path", "data"), FRONTS)
def test_eval_mode_is_the_simulation_on_real_batches(path, data, contract):
    calibration, test = data()
    check_codes(prepared(load_front(path), calibration, contract=contract), {"x": test})


@pytest.mark.parametrize("contract", ["dyadic16", "pow2", "tfl_single", "tflm_double", "onnx_float"])
def test_eval_mode_is_the_simulation_for_every_front_operation(contract):
    front, batch = everything()
    p = prepared(front, batch, contract=contract)
    assert {n.op for n in simplify(front).nodes} | {"batch_norm"} == set(FRONT_OPS)
    module = check_codes(p, batch)
    module.train()
    inputs = [torch.from_numpy(x) for x in batch.values()]
    exact, fake = module.eval()(*inputs), module.train()(*inputs)
    (out,) = algos.lower(p).outputs
    assert (exact - fake).abs().max() < 8 * out.type.lsb


def test_training_reaches_every_parameter():
    """Gradients of norms, queries, the token and the gain through softmax and all; a step lowers the loss."""
    front, batch = everything()
    module = prepared(front, batch).module().train()
    inputs, target = [torch.from_numpy(x) for x in batch.values()], torch.ones(64, 5)

    def loss():
        return (module(*inputs) - target).square().mean()

    first = loss()
    first.backward()
    for name, w in zip(module.parameter_names, module.weights, strict=True):
        if "mask" in name:
            assert w.grad is None
        else:
            assert torch.isfinite(w.grad).all(), name
            assert (w.grad != 0).any(), name
    assert all(q.log2_scale.grad is not None for q in module.quantizers)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    optimizer.step()
    assert loss() < first


def test_eval_mode_follows_training():
    calibration, test = windows()
    p = prepared(load_front(DS_CNN_FRONT), calibration, weights="int4")
    module = p.module().train()
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(3):
        module(torch.from_numpy(calibration)).square().mean().backward()
        optimizer.step()
    trained = Prepared(front=module.front(), recipe=p.recipe, ranges=p.ranges)
    assert set(trained.front.marks) == set(module.quantized_names)
    got = module.eval().codes({"x": torch.from_numpy(test)})
    for name, want in simulate(algos.lower(trained), {"x": test}).items():
        np.testing.assert_array_equal(got[name].numpy(), want)
    assert any((got[name].numpy() != before).any() for name, before in simulate(algos.lower(p), {"x": test}).items())


def test_torch_computes_every_front_operation():
    assert set(TORCH) == set(FRONT_OPS)
    front, batch = everything()
    got = FloatModule(front)(*(torch.from_numpy(x) for x in batch.values()))
    np.testing.assert_allclose(got.detach().numpy(), front.evaluate(batch)[front.outputs[0]], rtol=1e-4, atol=1e-5)


def test_quantizers_are_where_the_lowering_has_them():
    front = load_front(RESNET8_FRONT)
    names = FrontModule(prepared(front, images()[0])).quantized_names
    values = [n for n in names if "weight" not in n]
    assert values == [
        *("x", "relu", "stage1.relu1", "stage1.bn2", "stage1.relu2", "stage2.relu1", "stage2.bn2", "stage2.shortcut"),
        *("stage2.relu2", "stage3.relu1", "stage3.bn2", "stage3.shortcut", "stage3.relu2", "pool", "fc"),
    ]
    assert len(names) - len(values) == 10  # nine convolutions and one linear layer


def test_bad_calls():
    front, batch = everything()
    with pytest.raises(ValueError, match="has no ranges yet"):
        Prepared(front=front).module()
    module = prepared(front, batch).module()
    with pytest.raises(ValueError, match=r"the model has \['ids', 'x', 'drop'\]"):
        module(torch.zeros(2, 8))
    with pytest.raises(ValueError, match="fp4_e2m1 is no integer format"):
        prepared(front, batch, weights="fp4_e2m1").module()
    with pytest.raises(ValueError, match="weights in blocks cannot be trained yet"):
        prepared(load_front(MLP_FRONT), images()[0], weights="mxfp4").module()
