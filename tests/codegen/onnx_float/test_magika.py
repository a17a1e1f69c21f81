"""Magika: the front graph is the file, and its integers mostly give the float model's answers."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.magika_evidence import answers, float_answers, known_files, model_folder, recipe
from codegen.onnx_float import front_graph
from codegen.onnx_model import load_model
from hwsim.quantization import quantize_model

pytest.importorskip("magika", reason="the float model is in package magika")
ort = pytest.importorskip("onnxruntime")


def test_magika_is_read_and_quantized() -> None:
    seen, test = known_files(4)
    path = model_folder() / "model.onnx"
    front = front_graph(load_model(path))
    ops = ["embedding", "gelu", "reshape", "transpose", "layer_norm", "transpose", "reshape", "transpose", "conv2d"]
    assert [n.op for n in front.nodes][: len(ops)] == ops
    tokens = test.tokens[:8]
    wanted = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"bytes": tokens})[0]
    np.testing.assert_allclose(front.evaluate({"bytes": tokens})["target_label"], wanted, atol=1e-5)
    graph = quantize_model(front, [{"bytes": seen.tokens[:48]}], recipe(front, observer="minmax")).graph
    assert len(test.tokens) >= 40
    assert (answers(graph, test.tokens) == float_answers(front, test.tokens)).mean() >= 0.9
