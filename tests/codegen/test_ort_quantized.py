"""What ONNX Runtime's own tool is given, and that each variant of it runs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

import onnx
import onnx.parser
from onnx.reference import ReferenceEvaluator

from codegen import emit_qdq
from codegen.runners.batched import batched_ort
from codegen.runners.ort_quantized import VARIANTS, Variant, quantized_by_ort, with_added_masks
from hwsim.quantization import quantize_model
from tests.oracles.nets import residual_net, samples

MASKED = """<ir_version: 10, opset_import: ["" : 21]>
masked (float[2,3,4] x, int64[2,1,4] keep) => (float[2,3,4] y, float[2,3,4] z)
<float lowest = {-3.4e38}, float nothing = {0.0}> {
  kept = Cast<to = 9>(keep)
  x1 = Where(kept, x, lowest)
  s1 = Softmax(x1)
  y = Where(kept, s1, nothing)
  kept2 = Cast<to = 9>(keep)
  doubled = Add(y, y)
  x2 = Where(kept2, doubled, lowest)
  s2 = Softmax(x2)
  masked = Where(kept2, s2, nothing)
  z = Where(kept2, masked, x)
}"""


def test_masks_are_added() -> None:
    """Two softmaxes of one mask share its bias, another Where stays, and rows with something to see are the same."""
    plain = onnx.parser.parse_model(MASKED)
    fewer = with_added_masks(onnx.parser.parse_model(MASKED))
    onnx.checker.check_model(fewer)
    kinds = [n.op_type for n in fewer.graph.node]
    assert (kinds.count("Where"), kinds.count("Add"), kinds.count("Softmax")) == (2, 3, 2)
    rng = np.random.default_rng(0)
    keep = np.array([[[1, 0, 1, 1]], [[0, 0, 1, 0]]])
    fed = {"x": rng.normal(0, 3, (2, 3, 4)).astype(np.float32), "keep": keep}
    for a, b in zip(*(ReferenceEvaluator(m).run(None, fed) for m in (plain, fewer)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_names() -> None:
    assert len({v.name for v in VARIANTS}) == len(VARIANTS)
    named = Variant(kind="QDQ", activations="QInt8", weights="QUInt8", per_channel=True, products=True)
    assert named.name == "QDQ s8u8 per channel products alone"


def test_every_variant_runs() -> None:
    """Each is near the float twin, and quantizes."""
    front = residual_net(0)
    data = {n: np.asarray(x, np.float32) for n, x in samples(front).items()}
    made = quantize_model(front, [data])
    qdq = emit_qdq(made.graph, made.twin).SerializeToString()
    true = front.evaluate(data)
    for variant in VARIANTS:
        model = quantized_by_ort(qdq, data, variant)
        kinds = {n.op_type for n in onnx.load_from_string(model).graph.node}
        assert kinds & {"QuantizeLinear", "DynamicQuantizeLinear"}, variant
        assert bool({"QGemm", "QLinearMatMul"} & kinds) == (variant.kind == "QOperator"), variant
        got = batched_ort(model, data, variant.name).run()
        for name in front.outputs:
            assert np.abs(got[name] - true[name]).max() < 0.2 * np.abs(true[name]).max(), variant
