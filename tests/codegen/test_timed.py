"""Engines that run the same inference again and again: their codes, what they keep, and models that do nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytest.importorskip("tflite_micro")

import onnx
from onnx.reference import ReferenceEvaluator

from codegen import emit_onnx, emit_qdq
from codegen.runners.c import compilers
from codegen.runners.ort_quantized import float_model, quantized_by_ort
from codegen.runners.timed import timed_c
from codegen.runners.timed_outside import CALLERS, LITERT, empty, tflm_arena, timed_litert, timed_ort, timed_tflm
from codegen.tflite.empty import SIZE, empty_model
from codegen.tflite.schema import subgraphs
from hwsim.inputs import as_codes
from hwsim.quantization import quantize_model
from hwsim.simulation import simulate
from hwsim.streaming import stream
from tests.compare import assert_same
from tests.hwsim.test_streaming import counter
from tests.oracles.nets import residual_net, samples
from tests.oracles.tflite_ops import Tensor, one_op

COMPILER = next(iter(compilers().values()), [])
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C compiler")


@needs_compiler
def test_c_keeps_its_state(tmp_path: Path) -> None:
    """After any number of repeats the next step continues where they ended."""
    graph, x = counter(), np.array([[3, -4]], np.int8)
    engine = timed_c(graph, tmp_path, COMPILER, ("-O2",), target="generic", name="C")
    want = stream(graph, {"x": np.repeat(x[None], 9, 0)})["y"]
    assert_same(want[0], engine.step({"x": x})["y"])
    engine.repeat(1)
    assert_same(want[2], engine.step({"x": x})["y"])
    engine.repeat(2)
    engine.repeat(3)
    assert_same(want[8], engine.step({"x": x})["y"])


@needs_compiler
def test_c_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="refused the generated C"):
        timed_c(counter(), tmp_path, COMPILER, ("-no-such-flag",), target="generic", name="C")


def test_an_empty_file() -> None:
    """No operator, and both engines give back what they are given."""
    data = empty_model()
    (main,) = subgraphs(data)
    assert (len(main.tensors), main.operators, main.inputs, main.outputs) == (1, (), (0,), (0,))
    x = np.arange(SIZE, dtype=np.int8)[None]
    for engine in (timed_tflm(data), *(timed_litert(data, r) for r in LITERT)):
        assert_same(x, engine.step({"x": x})["x"])
    for caller in CALLERS:
        engine = empty(caller)
        engine.repeat(3)
        assert engine.caller == caller


def test_one_operator_in_every_engine() -> None:
    """Steps give the operator's codes; the arena of TFLM is the sum of its parts."""
    ends = Tensor(name="x", shape=(1, 4), scale=0.5), Tensor(name="y", shape=(1, 4), scale=0.5)
    data = one_op("RELU", ends[:1], ends[1:])
    x = np.array([[-3, -1, 0, 5]], np.int8)
    for engine in (timed_tflm(data), *(timed_litert(data, r) for r in LITERT)):
        assert_same(np.maximum(x, 0), engine.step({"x": x})["y"])
        engine.repeat(2)
    arena = tflm_arena(data)
    assert arena["total"] == arena["head"] + arena["tail"] > 0


def test_files_of_reals_are_refused() -> None:
    """An engine would have to quantize, which is no part of ours."""
    ends = Tensor(name="x", shape=(1, 4), dtype="float32"), Tensor(name="y", shape=(1, 4), scale=0.5)
    data = one_op("QUANTIZE", ends[:1], ends[1:])
    with pytest.raises(ValueError, match="'x' FLOAT32"):
        timed_tflm(data)
    with pytest.raises(ValueError, match="'x' FLOAT32"):
        timed_litert(data, next(iter(LITERT)))


def test_onnx_of_codes_and_of_reals() -> None:
    """The integer model gives the simulator's codes; the float twin the float model's reals but for its weights' codes,
    and what ONNX Runtime quantizes of it is near."""
    front = residual_net(0)
    data = samples(front)
    made = quantize_model(front, [data])
    x = {"x": as_codes(made.graph.inputs[0], data["x"][:1])}
    want = simulate(made.graph, x)
    exact = timed_ort(emit_onnx(made.graph).SerializeToString(), made.graph, "exact").step(x)
    assert {n: y.tolist() for n, y in exact.items()} == {n: y.tolist() for n, y in want.items()}
    qdq = emit_qdq(made.graph, made.twin).SerializeToString()
    twin = float_model(qdq)
    onnx.checker.check_model(twin)
    assert not {"QuantizeLinear", "DequantizeLinear"} & {n.op_type for n in twin.graph.node}
    reals = dict(zip(front.outputs, ReferenceEvaluator(twin).run(None, data), strict=True))
    own = timed_ort(quantized_by_ort(qdq, data), made.graph, "own", real=True).step(x)
    for v in made.graph.outputs:
        true = front.evaluate(data)[v.name]
        assert np.abs(reals[v.name] - true).max() < 0.02 * np.abs(true).max()
        assert np.abs(own[v.name].astype(int) - want[v.name]).max() <= 8
