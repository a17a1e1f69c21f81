"""Small random float models, their data, and how far an integer graph is from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim import Graph, QTensor, Recipe, simulate
from hwsim.calibration import calibrate
from hwsim.front import FrontGraph, FrontNode
from hwsim.lowering import lower

Data = dict[str, NDArray[np.float32]]


def linear_net(weight: Any, bias: Any = None, *, relu: bool = False) -> FrontGraph:
    """One linear layer ``fc`` on ``x``, with or without a ReLU ``act``; weight (out, in)."""
    params = {"w": np.asarray(weight, np.float32)}
    if bias is not None:
        params["b"] = np.asarray(bias, np.float32)
    nodes = [FrontNode("linear", ("x", *params), "fc", where="net.py:7")]
    if relu:
        nodes.append(FrontNode("relu", ("fc",), "act"))
    return FrontGraph("one", {"x": params["w"].shape[1:]}, params, nodes, [nodes[-1].out])


def residual_net(seed: int, width: int = 16) -> FrontGraph:
    """x -> reshape -> fc1 -> relu -> fc2 -> add to the reshaped input -> relu -> fc3; act2 is an output too."""
    rng = np.random.default_rng(seed)
    params = {}
    for i, (n, k) in enumerate(((3 * width, width), (width, 3 * width), (10, width)), 1):
        params[f"w{i}"] = rng.normal(0, 1 / np.sqrt(k), (n, k)).astype(np.float32)
        params[f"b{i}"] = rng.normal(0, 0.3, n).astype(np.float32)
    nodes = [
        FrontNode("reshape", ("x",), "flat", {"shape": [width]}),
        FrontNode("linear", ("flat", "w1", "b1"), "fc1"),
        FrontNode("relu", ("fc1",), "act1"),
        FrontNode("linear", ("act1", "w2", "b2"), "fc2"),
        FrontNode("add", ("fc2", "flat"), "sum"),
        FrontNode("relu", ("sum",), "act2"),
        FrontNode("linear", ("act2", "w3", "b3"), "fc3"),
    ]
    return FrontGraph("residual", {"x": (4, width // 4)}, params, nodes, ["fc3", "act2"])


def samples(front: FrontGraph, seed: int = 0, count: int = 256) -> Data:
    """Normal numbers off centre, so that zero points matter."""
    rng = np.random.default_rng(seed)
    return {k: rng.normal(0.4, 1, (count, *shape)).astype(np.float32) for k, shape in front.inputs.items()}


def lowered(front: FrontGraph, data: Data, recipe: Recipe | None = None) -> Graph:
    """Calibrated on the data and lowered."""
    recipe = recipe or Recipe()
    return lower(front, calibrate(front, [data], recipe), recipe)


def reals(graph: Graph, data: Data, engine: str = "numba") -> dict[str, NDArray[np.float64]]:
    """Every value of the graph for the data, dequantized."""
    codes = simulate(graph, data, engine=engine, trace=True)
    return {v.name: QTensor(v.type, codes[v.name]).dequantize() for v in graph.values()}


def sqnr(front: FrontGraph, graph: Graph, data: Data) -> dict[str, float]:
    """Signal over quantization noise of every output, dB."""
    want, got = front.evaluate(data), reals(graph, data)
    noise = {o: float(np.mean((want[o] - got[o]) ** 2)) for o in front.outputs}
    return {o: 10 * np.log10(float(np.mean(want[o].astype(float) ** 2)) / max(noise[o], 1e-300)) for o in front.outputs}
