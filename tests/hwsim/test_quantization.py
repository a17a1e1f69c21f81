"""The pipeline: equalization and bias correction keep the float model and help the integer one; calibration rules."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.formats import INT4, INT8
from hwsim.lowering.equalization import by_input, equalize, links
from hwsim.lowering.folding import fold_batch_norms
from hwsim.observers import OBSERVERS, activation_type
from hwsim.qtensor import QTensor, encode
from hwsim.quantization import quantize_model, settle
from hwsim.recipe import Recipe
from hwsim.simulation import simulate
from tests.hwsim.lowering.test_patterns import NETS, Net, depthwise_1d, residual, sqnr


def unbalanced() -> tuple[Net, list[str]]:
    """Channels that differ a thousandfold and readers that undo it: per-tensor INT8 suffers."""
    n = Net(3, 8, 8)
    a = n.node("relu", n.conv("x", 3, 8))
    b = n.node("relu", n.conv(a, 8, 8, groups=8))
    c = n.node("mean", n.node("relu", n.conv(b, 8, 12, k=1)), axes=[2, 3])
    for first, second in (("conv0", "conv2"), ("conv2", "conv4")):
        size = (10.0 ** n.rng.uniform(-1.5, 1.5, 8)).astype(np.float32)
        n.front.params[f"{first}.w"] *= size.reshape(-1, 1, 1, 1)
        n.front.params[f"{first}.b"] *= size
        n.front.params[f"{second}.w"] /= size.reshape((-1, 1, 1, 1) if second == "conv2" else (1, -1, 1, 1))
    flat = n.node("reshape", c, shape=[12])
    n.front.outputs = [n.node("linear", flat, n.param("fc", 5, 12))]
    return n, n.front.outputs


@pytest.mark.parametrize("rule", ["weights", "activations"])
@pytest.mark.parametrize("make", [*NETS, unbalanced], ids=lambda f: f.__name__)
def test_equalization_keeps_the_float_model(make, rule: str) -> None:
    net, outputs = make()
    net.front.outputs = outputs
    folded = fold_batch_norms(net.front)
    x = {"x": net.rng.normal(size=(9, *net.shape)).astype(np.float32)}
    before, after = folded.evaluate(x), equalize(folded, [x], rule).evaluate(x)
    for name in outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=2e-3, atol=1e-4)  # floats


def test_equalized_neighbours_have_equal_ranges() -> None:
    net, outputs = unbalanced()
    found = [(link.maker, link.value, link.readers) for link in links(net.front)]
    assert found == [("conv0", "relu1", ("conv2",)), ("conv2", "relu3", ("conv4",))]
    after = equalize(net.front, [], "weights")
    nodes = {n.out: n for n in after.nodes}
    first, second = (after.params[nodes[n].ins[1]] for n in ("conv2", "conv4"))
    makes = np.abs(first.reshape(len(first), -1)).max(1)
    reads = np.abs(by_input(nodes["conv4"], second)).max(1)
    np.testing.assert_allclose(makes, reads, rtol=1e-4)  # floats; outputs are untouched
    assert outputs == after.outputs


@pytest.mark.parametrize("rule", ["weights", "activations"])
def test_equalization_helps_per_tensor_weights(rule: str) -> None:
    net, _ = unbalanced()
    x = {"x": net.rng.normal(size=(60, *net.shape)).astype(np.float32)}
    plain, better = (
        sqnr(net, quantize_model(net.front, [x], Recipe(per_channel=False, equalize=e)).graph, x)
        for e in ("none", rule)
    )
    assert better > plain + 3


def test_bias_correction_takes_the_mean_error_out() -> None:
    net, outputs = residual()
    net.front.outputs = outputs
    x = {"x": np.abs(net.rng.normal(size=(80, *net.shape))).astype(np.float32)}
    want = net.front.evaluate(x)[outputs[0]]

    def mean_error(recipe: Recipe) -> float:
        g = quantize_model(net.front, [x], recipe).graph
        real = QTensor(g.outputs[0].type, simulate(g, x)[g.outputs[0].name]).dequantize()
        return float(np.abs((real - want).mean(0)).max())

    assert mean_error(Recipe(weights="int4", bias_correction=True)) < 0.5 * mean_error(Recipe(weights="int4"))


def test_marked_models_are_not_equalized() -> None:
    from hwsim.front import Mark

    net, outputs = depthwise_1d()
    net.front.outputs, net.front.marks = outputs, {"x": Mark(0.1)}
    with pytest.raises(ValueError, match="carries trained scales"):
        settle(net.front, [{"x": np.zeros((1, *net.shape), np.float32)}], Recipe(equalize="weights"))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("fmt", [INT4, INT8], ids=lambda f: f.name)
def test_the_mse_rule_has_the_least_error(fmt, symmetric: bool) -> None:
    x = np.random.default_rng(0).standard_t(3, 4000)

    def type_of(seen):
        return activation_type((), fmt, seen, symmetric=symmetric)

    def error(seen) -> float:
        t = type_of(seen).reshaped(x.shape)
        return float(np.square(QTensor(t, encode(x, t)).dequantize() - x).mean())

    errors = {name: error(observe(x, type_of)) for name, observe in OBSERVERS.items()}
    assert errors["mse"] == min(errors.values())
    assert fmt is INT8 or errors["mse"] < 0.8 * errors["minmax"]


def test_whole_model_settings_are_no_overrides() -> None:
    with pytest.raises(ValueError, match="is for the whole model, not for one layer"):
        Recipe(overrides=(("fc*", {"equalize": "weights"}),))
    with pytest.raises(ValueError, match="equalize 'both' is unknown: use one of none, weights, activations"):
        Recipe(equalize="both")
