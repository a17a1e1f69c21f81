"""Every nonlinear operator from plain data to the graph, against the engine of the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegen.tflite.context import Operator, Reading, Tensor
from codegen.tflite.nonlinear import NONLINEAR
from hwsim.graph import Graph
from hwsim.simulation import simulate
from tests.compare import assert_same
from tests.hwsim.dialects.one_op import CONTRACTS
from tests.oracles import tflite_ops

BINARY = ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "PRELU", "MAXIMUM", "MINIMUM")
TYPES = {"SOFTMAX": (2.0**-8, -128), "LOGISTIC": (2.0**-8, -128), "TANH": (2.0**-7, 0)}
ONE_TYPE = ("MAXIMUM", "MINIMUM", "NEG")
ONLY = {"ELU": ("tflm",), "SUM": ("tflm",)} | dict.fromkeys(
    ("EXP", "GELU", "NEG", "RELU_N1_TO_1", "RELU_0_TO_1"), ("litert",)
)
TABLES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # options: table, ours, theirs
    "ADD": ("AddOptions", {"fused_activation_function": "RELU6"}, {"fusedActivationFunction": 3}),
    "SUB": ("SubOptions", {"fused_activation_function": "RELU"}, {"fusedActivationFunction": 1}),
    "MUL": ("MulOptions", {"fused_activation_function": "NONE"}, {}),
    "MEAN": ("ReducerOptions", {"keep_dims": True}, {"keepDims": True}),
    "SUM": ("ReducerOptions", {"keep_dims": True}, {"keepDims": True}),
    "SOFTMAX": ("SoftmaxOptions", {"beta": 0.5}, {"beta": 0.5}),
    "LEAKY_RELU": ("LeakyReluOptions", {"alpha": 0.25}, {"alpha": 0.25}),
    "GELU": ("GeluOptions", {"approximate": True}, {"approximate": True}),
    "HARD_SWISH": ("HardSwishOptions", {}, {}),
}


@pytest.mark.parametrize("kind", NONLINEAR)
def test_each_operator_is_read(kind: str) -> None:
    x = np.random.default_rng(15).integers(-128, 128, (40, 5, 7)).astype(np.int8)
    kinds = ((0.05, 0 if kind == "NEG" else 3), (0.02, -7), (0.04, 1))
    first, second, result = ((float(np.float32(s)), z) for s, z in kinds)  # as the file keeps them
    out = TYPES.get(kind, result)
    if kind in ONE_TYPE:
        second = out = first
    types, codes = {"a": first}, [x]
    if kind in BINARY:
        types["b"] = second
        codes.append(x[::-1, :, ::-1].copy())
    reduces = kind in ("MEAN", "SUM")
    shape = (40, 1, 7) if reduces else x.shape
    axes = [Tensor(index=1, name="axes", shape=(1,), kind="INT32", codes=np.array([-2], np.int32))] if reduces else []
    tensors = [
        Tensor(index=i, name=n, shape=x.shape, kind="INT8", scale=(t[0],), zero_point=(t[1],))
        for i, (n, t) in enumerate(types.items())
    ] + axes
    y = Tensor(index=len(tensors), name="y", shape=shape, kind="INT8", scale=(out[0],), zero_point=(out[1],))
    table, ours, theirs = TABLES.get(kind, (None, {}, {}))
    model = tflite_ops.one_op(
        kind,
        [
            tflite_ops.Tensor(name=t.name, shape=t.shape, scale=t.scale, zero=t.zero_point or 0, codes=t.codes, dtype=d)
            for t in tensors
            for d in [t.kind.lower()]
        ],
        [tflite_ops.Tensor(name="y", shape=shape, scale=out[0], zero=out[1])],
        theirs,
        options_type=table,
        version=1 if kind not in BINARY or kind == "PRELU" else 2,
    )
    for engine in ONLY.get(kind, ("litert", "tflm")):
        r = Reading(graph=Graph(), contract=CONTRACTS[engine], tensors=(*tensors, y))
        for i in range(len(types)):
            r.values[i] = r.graph.input(tensors[i].name, r.type(i))
        NONLINEAR[kind](r, Operator(index=0, kind=kind, ins=tuple(range(len(tensors))), outs=(y.index,), options=ours))
        r.graph.output(r.value(y.index))
        got = simulate(r.graph, dict(zip(types, codes, strict=True)))["y"]
        assert_same(tflite_ops.run(model, codes, engine)[0], got, what=f"{kind} {engine}")


@pytest.mark.parametrize("kind", ["SOFTMAX", "LOGISTIC", "RELU6"])
@pytest.mark.parametrize("engine", CONTRACTS)
def test_int16_is_read(kind: str, engine: str) -> None:
    x = np.random.default_rng(19).integers(-(1 << 15), 1 << 15, (40, 9)).astype(np.int16)
    scale, out = float(np.float32(0.0003)), 2.0**-15 if kind != "RELU6" else float(np.float32(0.0004))
    tensors = tuple(
        Tensor(index=i, name=n, shape=x.shape, kind="INT16", scale=(s,), zero_point=(0,))
        for i, (n, s) in enumerate((("a", scale), ("y", out)))
    )
    table, ours, theirs = TABLES.get(kind, (None, {}, {}))
    given, result = (tflite_ops.Tensor(name=t.name, shape=x.shape, dtype="int16", scale=t.scale) for t in tensors)
    model = tflite_ops.one_op(kind, [given], [result], theirs, options_type=table, version=2 if kind == "RELU6" else 3)
    r = Reading(graph=Graph(), contract=CONTRACTS[engine], tensors=tensors)
    r.values[0] = r.graph.input("a", r.type(0))
    NONLINEAR[kind](r, Operator(index=0, kind=kind, ins=(0,), outs=(1,), options=ours))
    r.graph.output(r.value(1))
    assert_same(tflite_ops.run(model, [x], engine)[0], simulate(r.graph, {"a": x})["y"], what=f"{kind} {engine}")


def test_ignored_activations_and_unknown_sums_are_refused() -> None:
    t = Tensor(index=0, name="a", shape=(1, 3), kind="INT8", scale=(0.1,), zero_point=(0,))
    r = Reading(graph=Graph(), contract="tfl_single", tensors=(t, t))
    r.values[0] = r.graph.input("a", r.type(0))
    tanh = Operator(index=0, kind="ADD", ins=(0, 0), outs=(1,), options={"fused_activation_function": "TANH"})
    with pytest.raises(ValueError, match="ADD 'a': fused TANH on int8 is not supported"):
        NONLINEAR["ADD"](r, tanh)
    with pytest.raises(ValueError, match="LiteRT's arithmetic is not known"):
        NONLINEAR["SUM"](r, Operator(index=0, kind="SUM", ins=(0, 0), outs=(1,)))
