"""Every front operation, lowered: near float, on every engine, for INT8 and INT16 activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hwsim.calibration import calibrate
from hwsim.front import FrontGraph, FrontNode, Mark
from hwsim.front_ops import FRONT_OPS, UNARY
from hwsim.graph import Graph
from hwsim.lowering import PATTERNS, lower
from hwsim.lowering.folding import fold_batch_norms
from hwsim.qtensor import QTensor
from hwsim.recipe import Recipe
from hwsim.simulation import simulate
from tests.backends import check_engines


class Net:
    """A front graph written line by line."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.front, self.rng, self.shape = FrontGraph("net", {"x": shape}), np.random.default_rng(seed), shape

    def param(self, name: str, *shape: int, scale: float = 1.0) -> str:
        self.front.params[name] = (self.rng.normal(size=shape) * scale).astype(np.float32)
        return name

    def node(self, op: str, *ins: str, out: str = "", **attrs: Any) -> str:
        out = out or f"{op}{len(self.front.nodes)}"
        self.front.nodes.append(FrontNode(op, ins, out, attrs, "net.py:1"))
        return out

    def conv(self, x: str, cin: int, cout: int, k: int = 3, groups: int = 1, stride: int = 1, bias: bool = True) -> str:
        name = f"conv{len(self.front.nodes)}"
        w = self.param(f"{name}.w", cout, cin // groups, k, k, scale=(cin * k * k / groups) ** -0.5)
        ins = (x, w, self.param(f"{name}.b", cout, scale=0.1)) if bias else (x, w)
        pad = [[k // 2, k // 2], [k // 2, (k - 1) // 2]]
        return self.node("conv2d", *ins, out=name, stride=[stride] * 2, dilation=[1, 1], padding=pad, groups=groups)

    def conv1d(self, x: str, cin: int, cout: int, k: int = 3, groups: int = 1) -> str:
        name = f"conv{len(self.front.nodes)}"
        w = self.param(f"{name}.w", cout, cin // groups, k, scale=(cin * k / groups) ** -0.5)
        return self.node("conv1d", x, w, out=name, stride=[2], dilation=[1], padding=[[1, 1]], groups=groups)

    def norm(self, x: str, channels: int) -> str:
        name = f"bn{len(self.front.nodes)}"
        ps = [self.param(f"{name}.{p}", channels) for p in ("w", "b", "m")]
        self.front.params[f"{name}.v"] = self.rng.uniform(0.5, 2, channels).astype(np.float32)
        return self.node("batch_norm", x, *ps, f"{name}.v", out=name, eps=1e-5)

    def graph(self, *outputs: str, recipe: Recipe | None = None) -> tuple[Graph, dict[str, np.ndarray]]:
        self.front.outputs = list(outputs)
        self.front.check()
        x = {"x": self.rng.normal(size=(40, *self.shape)).astype(np.float32)}
        for name in self.front.masks():
            x[name] = (self.rng.random((40, *self.front.inputs[name])) < 0.7).astype(np.float32)
        recipe = recipe or Recipe()
        return lower(self.front, calibrate(self.front, [x], recipe), recipe), x


def sqnr(net: Net, g: Graph, x: dict[str, np.ndarray]) -> float:
    """dB of the worst output."""
    want, got = net.front.evaluate(x), simulate(g, x)
    worst = np.inf
    for name, v in zip(net.front.outputs, g.outputs, strict=True):
        real = QTensor(v.type, got[v.name]).dequantize()
        worst = min(worst, 10 * np.log10((want[name] ** 2).sum() / ((want[name] - real) ** 2).sum()))
    return float(worst)


def residual() -> tuple[Net, list[str]]:
    n = Net(3, 9, 8)
    a = n.node("relu", n.norm(n.conv("x", 3, 6, stride=2, bias=False), 6))
    b = n.norm(n.conv(n.node("relu", n.norm(n.conv(a, 6, 6), 6)), 6, 6), 6)
    s = n.node("relu", n.node("add", b, a))
    p = n.node("mean", s, axes=[2, 3])
    flat = n.node("reshape", p, shape=[6])
    return n, [n.node("linear", flat, n.param("fc", 4, 6), n.param("fb", 4))]


def depthwise_1d() -> tuple[Net, list[str]]:
    n = Net(6, 20)
    a = n.node("relu6", n.norm(n.conv1d("x", 6, 8), 8))
    b = n.node("relu", n.norm(n.conv1d(a, 8, 8, groups=8), 8))
    p = n.node("max_pool1d", b, kernel=[2], stride=[2], padding=[[0, 0]])
    q = n.node("avg_pool1d", p, kernel=[2], stride=[1], padding=[[0, 0]])
    return n, [n.node("reshape", q, shape=[8 * n.front.shapes()[q][1]])]


def flattened_image() -> tuple[Net, list[str]]:
    """Flatten without pooling: the linear layer's weights are permuted, no transpose is left."""
    n = Net(1, 8, 8)
    a = n.node("max_pool2d", n.node("relu", n.conv("x", 1, 4)), kernel=[2, 2], stride=[2, 2], padding=[[0, 0], [0, 0]])
    flat = n.node("reshape", a, shape=[64])
    return n, [n.node("linear", flat, n.param("fc", 5, 64, scale=0.2))]


def squeeze_excite() -> tuple[Net, list[str]]:
    n = Net(4, 6, 6)
    a = n.node("hardswish", n.conv("x", 4, 4))
    gate = n.node("hardsigmoid", n.conv(n.node("mean", a, axes=[2, 3]), 4, 4, k=1))
    m = n.node("mul", a, gate)
    scaled = n.node("add", n.node("mul", m, n.param("gain", 4, 1, 1)), n.param("shift", 4, 1, 1))
    c = n.node("concat", scaled, a, axis=1)
    s = n.node("slice", c, axis=1, start=1, stop=7, step=2)
    return n, [s, n.node("transpose", n.node("slice", c, axis=3, start=0, stop=5, step=2), perm=[0, 2, 3, 1])]


def average_pools() -> tuple[Net, list[str]]:
    n = Net(2, 7, 7)
    a = n.node("avg_pool2d", n.conv("x", 2, 4, groups=2), kernel=[3, 2], stride=[2, 1], padding=[[1, 1], [0, 1]])
    b = n.node("batch_norm", a, *_norm(n, 4), eps=1e-5)
    return n, [b, n.node("expand", n.node("mean", b, axes=[1]), shape=[3, *n.front.shapes()[b][1:]])]


def _norm(n: Net, channels: int) -> list[str]:
    ps = [n.param(f"n.{p}", channels) for p in ("w", "b", "m")]
    n.front.params["n.v"] = n.rng.uniform(0.5, 2, channels).astype(np.float32)
    return [*ps, "n.v"]


NETS = [residual, depthwise_1d, flattened_image, squeeze_excite, average_pools]
RECIPES = {
    "int8": (Recipe(), 24),
    "int16": (Recipe(activations="int16"), 30),
    "pow2": (Recipe(contract="pow2"), 18),
    "symmetric": (Recipe(symmetric=True, per_channel=False), 18),
    "tflm": (Recipe(contract="tflm_double"), 24),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("make", NETS, ids=lambda f: f.__name__)
def test_networks_stay_near_float_on_every_engine(make: Any, recipe: str) -> None:
    net, outputs = make()
    g, x = net.graph(*outputs, recipe=RECIPES[recipe][0])
    assert sqnr(net, g, x) > RECIPES[recipe][1]
    check_engines(g, {"x": x["x"][:4]}, against=("numba", "c", "ort", "onnx_reference") if recipe == "int8" else ("c",))


@pytest.mark.parametrize("name", sorted(UNARY))
@pytest.mark.parametrize("activations", ["int8", "int16"])
def test_every_function_of_one_value(name: str, activations: str) -> None:
    net = Net(12)
    g, x = net.graph(net.node(name, "x"), recipe=Recipe(activations=activations))
    assert sqnr(net, g, x) > (34 if activations == "int8" else 60)


def test_runs_of_convolutions_carry_no_transposes() -> None:
    """One channel in, global mean out: nothing moves but reshapes."""
    for make in (residual, flattened_image):
        net, outputs = make()
        g, _ = net.graph(*outputs)
        moves = [n for n in g.nodes if n.op.name == "transpose"]
        assert len(moves) <= (1 if make is residual else 0)  # three channels come in channels-first


def test_every_front_operation_has_a_pattern() -> None:
    assert set(PATTERNS) == set(FRONT_OPS) - {"batch_norm"}


def test_batch_norms_fold_exactly() -> None:
    net, outputs = residual()
    net.front.outputs = outputs
    x = {"x": net.rng.normal(size=(5, *net.shape)).astype(np.float32)}
    before, after = net.front.evaluate(x), fold_batch_norms(net.front).evaluate(x)
    assert not any(n.op == "batch_norm" for n in fold_batch_norms(net.front).nodes)
    np.testing.assert_allclose(after[outputs[0]], before[outputs[0]], rtol=1e-4, atol=1e-5)  # floats


def test_marks_settle_scales() -> None:
    net = Net(6)
    y = net.node("linear", "x", net.param("w", 3, 6))
    net.front.marks = {"x": Mark(0.25), y: Mark(0.5, 3), "w": Mark((0.5, 0.25, 0.125))}
    g, _ = net.graph(y)
    assert (g.inputs[0].type.scale, g.outputs[0].type.scale, g.outputs[0].type.zero_point) == (0.25, 0.5, 3)
    assert g.constants[f"{y}.weight"].type.scale == (0.5, 0.25, 0.125)


def test_embedding_gathers_codes() -> None:
    net = Net(5)
    table = net.param("table", 40, 3)
    y = net.node("embedding", "x", table)
    net.front.outputs = [y]
    x = {"x": net.rng.integers(0, 40, (30, 5)).astype(np.float32)}
    g = lower(net.front, calibrate(net.front, [x], Recipe()), Recipe())
    codes = x["x"].astype(np.uint8)
    check_engines(g, {"x": codes})
    real = QTensor(g.outputs[0].type, simulate(g, {"x": codes})[y]).dequantize()
    assert np.abs(real - net.front.params[table][codes]).max() <= float(g.outputs[0].type.lsb) / 2 * 1.001
