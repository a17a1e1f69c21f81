from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator

from codegen import emit_onnx
from codegen.runners.onnx import feeds
from hwsim.formats import FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, UINT8
from hwsim.graph import Graph
from hwsim.ops import Reshape
from hwsim.qtensor import BATCH, QTensor, QType, encode, quantize
from tests.random_graphs import random_graph

PORTS = [
    QType((BATCH, 1), INT8, 0.037, 5),
    QType((BATCH, 1), UINT8, 0.25, 3),
    QType((BATCH, 1), INT16, 2.0**-9, 7),
    QType((BATCH, 1), INT4, 0.5, -1),
    QType((BATCH, 1), FP4_E2M1, 0.75),
    QType((BATCH, 1), FP8_E4M3, 0.11),
]


@pytest.mark.parametrize("t", PORTS, ids=lambda t: t.fmt.name)
def test_float_edges_quantize_like_hwsim(t: QType) -> None:
    """io="float": ties, ends, negative zero and random reals through ONNX Runtime and the ReferenceEvaluator."""
    g = Graph("edges")
    g.output(g.add(Reshape(shape=(1, 1)), g.input("x", t), name="y"))
    steps = np.arange(-300, 300) * 0.5 * float(t.lsb)
    reals = np.concatenate([steps, np.random.default_rng(0).normal(size=2000) * 9, [0.0, -0.0, 1e30, -1e30]])
    x = reals.astype(np.float32)[:, None]
    q = quantize(x.astype(np.float64), t.fmt, scale=t.scale, zero_point=t.zero_point)
    want = q.dequantize().astype(np.float32)[:, :, None]
    model = emit_onnx(g, io="float")
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with np.errstate(divide="ignore"):  # ONNX has no signbit: the sign of a zero is that of 1 / zero
        reference = ReferenceEvaluator(model).run(None, {"x": x})[0]
    for got in (session.run(None, {"x": x})[0], reference):
        assert got.dtype == np.float32
        assert (got == want).all()
        assert (np.signbit(got) == np.signbit(want)).all()


def test_float_edges_of_a_whole_graph() -> None:
    g, codes = random_graph(7)
    reals = {v.name: QTensor(v.type, codes[v.name]).dequantize().astype(np.float32) for v in g.inputs}
    codes = {v.name: encode(reals[v.name].astype(np.float64), v.type) for v in g.inputs}  # the code of -0 reads 0
    outs = [v for v in dict.fromkeys(g.outputs)]
    session = ort.InferenceSession(emit_onnx(g, io="float").SerializeToString(), providers=["CPUExecutionProvider"])
    plain = ort.InferenceSession(emit_onnx(g).SerializeToString(), providers=["CPUExecutionProvider"])
    for v, real, code in zip(outs, session.run(None, reals), plain.run(None, feeds(g, codes)), strict=True):
        want = QTensor(v.type, code.astype(v.type.fmt.dtype)).dequantize().astype(np.float32)
        assert (real == want).all(), v.name


def test_the_graph_reads_like_the_integer_graph() -> None:
    g, _ = random_graph(5)
    model = emit_onnx(g)
    assert [n.op_type.rstrip("_0123456789") for n in model.graph.node if n.op_type != "copy"] == [
        n.op.name for n in g.nodes
    ]
    assert {n.domain for n in model.graph.node} == {"hwsim"}
    assert {f.domain for f in model.functions} == {"hwsim"}
    assert all(n.domain in ("", "ai.onnx") for f in model.functions for n in f.node)


def test_same_graph_same_bytes() -> None:
    a, b = (emit_onnx(random_graph(11)[0]).SerializeToString(deterministic=True) for _ in range(2))
    assert a == b


def test_equal_nodes_share_a_function() -> None:
    g = Graph("m")
    v = g.input("x", QType((BATCH, 2, 3), INT8))
    for _ in range(4):
        v = g.add(Reshape(shape=(3, 2)), g.add(Reshape(shape=(2, 3)), v))
    g.output(v)
    assert len(emit_onnx(g).functions) == 2


def test_checked_by_onnx_itself() -> None:
    onnx.checker.check_model(emit_onnx(random_graph(2)[0]), full_check=True)


def test_bad_io() -> None:
    with pytest.raises(ValueError, match="io 'real' is unknown: use 'codes' or 'float'"):
        emit_onnx(random_graph(0)[0], io="real")
