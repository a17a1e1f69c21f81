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


def encoder_net(seed: int, width: int = 8, heads: int = 2, tokens: int = 5, *, causal: bool = False) -> FrontGraph:
    """A pre-norm encoder layer behind a class token and positions, then an RMS norm and a head on the token.

    `causal` masks the attention.
    """
    rng, size = np.random.default_rng(seed), width // heads
    sizes = {**dict.fromkeys("qkvo", (width, width)), "up": (2 * width, width), "down": (width, 2 * width)}
    params = {f"{n}.weight": rng.normal(0, s[1] ** -0.5, s) for n, s in {**sizes, "head": (3, width)}.items()}
    params |= {f"{n}.bias": rng.normal(0, 0.3, len(params[f"{n}.weight"])) for n in ("q", "up", "down", "head")}
    params |= {"token": rng.normal(0, 1, (1, width)), "positions": rng.normal(0, 0.5, (1, tokens + 1, width))}
    params |= {f"{n}.weight": rng.uniform(0.5, 1.5, width) for n in ("norm1", "norm2", "rms")}
    params |= {f"{n}.bias": rng.normal(0, 0.3, width) for n in ("norm1", "norm2")}
    params |= {"mask": np.tril(np.ones((tokens + 1, tokens + 1)))} if causal else {}

    def node(op: str, out: str, *ins: str, **attrs: Any) -> FrontNode:
        own = [f"{out}.{p}" for p in ("weight", "bias") if f"{out}.{p}" in params]
        return FrontNode(op, (*ins, *own), out, attrs, "encoder.py:3")

    nodes = [node("concat", "joined", "token", "x", axis=1), node("add", "sum", "joined", "positions")]
    nodes.append(node("layer_norm", "norm1", "sum", eps=1e-5))
    for n, perm in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [node("linear", n, "norm1"), node("reshape", f"{n}.split", n, shape=[tokens + 1, heads, size])]
        nodes.append(node("transpose", f"{n}.heads", f"{n}.split", perm=perm))
    nodes += [
        node("matmul", "scores", "q.heads", "k.heads", gain=size**-0.5),
        node("softmax", "p", "scores", *(["mask"] if causal else [])),
        node("matmul", "context", "p", "v.heads", gain=1.0),
        node("transpose", "turned", "context", perm=[0, 2, 1, 3]),
        node("reshape", "merged", "turned", shape=[tokens + 1, width]),
        node("linear", "o", "merged"),
        node("add", "sum1", "sum", "o"),
        node("layer_norm", "norm2", "sum1", eps=1e-5),
        node("linear", "up", "norm2"),
        node("gelu", "act", "up", approximate="none"),
        node("linear", "down", "act"),
        node("add", "sum2", "sum1", "down"),
        node("slice", "first", "sum2", axis=1, start=0, stop=1, step=1),
        node("reshape", "flat", "first", shape=[width]),
        node("rms_norm", "rms", "flat", eps=1e-6),
        node("linear", "head", "rms"),
    ]
    numbers = {n: np.asarray(p, np.float32) for n, p in params.items()}
    return FrontGraph("encoder", {"x": (tokens, width)}, numbers, nodes, ["head"])
