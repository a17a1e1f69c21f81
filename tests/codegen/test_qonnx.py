"""Our QDQ form in qonnx's executor: pairs as its own nodes give the same reals."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("qonnx")
pytest.importorskip("onnxruntime")

from codegen import emit_qdq
from codegen.runners.batched import batched_ort
from codegen.runners.qonnx import batched_qonnx
from hwsim.quantization import quantize_model
from tests.oracles.nets import residual_net, samples


def test_both_forms() -> None:
    """ONNX Runtime's reals, but for ties: qonnx rounds x/s + z."""
    front = residual_net(0)
    data = {n: np.asarray(x[:3], np.float32) for n, x in samples(front).items()}
    made = quantize_model(front, [data])
    qdq = emit_qdq(made.graph, made.twin).SerializeToString()
    want = batched_ort(qdq, data, "pairs").run()
    for quant in (False, True):
        engine = batched_qonnx(qdq, data, quant=quant)
        assert (engine.samples, "Quant" in engine.name) == (3, quant)
        got = engine.run()
        for v in made.graph.outputs:
            assert got[v.name].shape == want[v.name].shape
            assert np.abs(got[v.name] - want[v.name]).max() <= 2.01 * np.max(v.type.scale)
