"""The float twin of an integer graph as ONNX with QuantizeLinear -> DequantizeLinear pairs: for other tools.

**Not bit exact.** Weights, scales, zero points and biases are the integer graph's, but a runtime sums in floats, rounds
products as it likes and computes softmax, norms and functions in float. `codegen.emit_onnx` is the bit exact export.

A pair stands behind every value that the integer graph keeps in 2 to 16 bits; a value that is fused into its clamp, or
stays in its accumulator, has none. Embeddings' indices come in as int64, masks as float32 of 0 and 1.

Measured on ONNX Runtime 1.32: its CPU provider has no kernels for FLOAT4E2M1 (onnx's ReferenceEvaluator runs it). A
MatMul of 4-bit weights whose activations have *no* pair may become MatMulNBits, which quantizes them in its own way,
unless the session option ``session.qdq_matmulnbits_accuracy_level`` is "1"; with pairs that was not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim import __version__
from hwsim.blockformats import BLOCK_FORMATS
from hwsim.front import FrontGraph, FrontNode
from hwsim.graph import Graph
from hwsim.lowering.equalization import LAYERS
from hwsim.lowering.fusing import fused_clamp
from hwsim.qtensor import BATCH, QType

from .qdq_nodes import Nodes
from .qdq_ops import OPS
from .qdq_types import WIDEST, value_kind, weight_kind

if TYPE_CHECKING:
    import onnx

LABEL = "not bit exact; for other tools"
EXACT = "codegen.emit_onnx (hwsim emit onnx; model.onnx of hwsim build)"


def emit_qdq(graph: Graph, twin: FrontGraph) -> onnx.ModelProto:
    """A float ONNX model with QDQ pairs, float32 in and out; **not bit exact**, see the module.

    Args:
        graph: the integer graph.
        twin: its float model, both from `hwsim.quantization.quantize_model`.

    Returns:
        A model of the lowest opset that has its types: 21, FLOAT4E2M1 23, E8M0 scales 24, INT2 and UINT2 25.

    Raises:
        ValueError: lists all that ONNX has no form for; or `twin` is not the graph's.
    """
    check_twin(graph, twin)
    import onnx

    m = Nodes(graph, twin)
    for name in twin.inputs:
        t = paired(graph, twin, name)
        m.at[name] = m.pair(name, name, t, m.fresh(f"{name}::dequantized")) if t else name
    for node in twin.nodes:
        t = paired(graph, twin, node.out)
        made = OPS[node.op](m, node, m.fresh(f"{node.out}::float") if t else node.out)
        m.at[node.out] = m.pair(made, node.out, t, node.out) if t else made
    model = assembled(m)
    onnx.checker.check_model(model, full_check=True)
    return model


def check_twin(graph: Graph, twin: FrontGraph) -> None:
    """ValueError for what ONNX has no form for, all at once, and for a float model of another graph."""
    constants = [f"{n.out}.weight" for n in twin.nodes if n.op in LAYERS]
    constants += [f"{n.out}.table" for n in twin.nodes if n.op == "embedding"]
    strange = [name for name in constants if name not in graph.constants]
    strange += [name for name in twin.inputs if name not in {v.name for v in graph.inputs}]
    if strange:
        raise ValueError(
            f"emit_qdq: graph {graph.name!r} has no {', '.join(strange)}; give the float twin that "
            "quantize_model returned with it"
        )
    if bad := [told for n in twin.nodes for told in refusals(graph, twin, n)]:
        raise ValueError(f"emit_qdq: ONNX has no form for {'; '.join(bad)}; use emit_onnx, which is bit exact")


def refusals(graph: Graph, twin: FrontGraph, node: FrontNode) -> list[str]:
    """What of a node ONNX has no form for."""
    where, told = f"{node.op} {node.out!r}", []
    if node.op not in OPS:
        told.append(where)
    if node.attrs.get("operand") in BLOCK_FORMATS:
        told.append(f"{where} in {node.attrs['operand']}, whose scales are made at run time")
    t = paired(graph, twin, node.out)
    if t and t.axis is not None and graph.recipe.get("layouts", {}).get(node.out):
        told.append(f"{where} with a scale a channel, channels last")
    constants = [graph.constants[i] for i in (f"{node.out}.weight", f"{node.out}.table") if i in graph.constants]
    for kind, fmt in [*([(value_kind, t.fmt)] if t else []), *((weight_kind, c.type.fmt) for c in constants)]:
        try:
            kind(fmt)
        except ValueError as e:
            told.append(f"{where} in {e}")
    return told


def paired(graph: Graph, twin: FrontGraph, name: str) -> QType | None:
    """The type that a value's pair has; None where it has no pair."""
    v, node = graph.known.get(name), next((n for n in twin.nodes if n.out == name), None)
    if v is None or not 1 < v.type.fmt.bits <= WIDEST or name in twin.indices():
        return None
    return None if node and fused_clamp(twin, node) else v.type


def assembled(m: Nodes) -> onnx.ModelProto:
    """The model around the nodes. An output that is an input, or there already, is copied."""
    from onnx import TensorProto, helper

    inputs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name in m.front.indices() else TensorProto.FLOAT, (BATCH, *shape)
        )
        for name, shape in m.front.inputs.items()
    ]
    outputs, named = [], {*m.front.inputs}
    for name in m.front.outputs:
        final = m.at[name] if m.at[name] not in named else m.op("Identity", m.at[name], to=m.fresh(f"{name}::copy"))
        named.add(final)
        outputs.append(helper.make_tensor_value_info(final, TensorProto.FLOAT, (BATCH, *m.shapes[name])))
    text = f"Quantized float model, {LABEL}. The bit exact form of the same graph: {EXACT}."
    body = helper.make_graph(m.nodes, m.graph.name, inputs, outputs, m.tensors, doc_string=text)
    opset = helper.make_opsetid("", m.opset)
    model = helper.make_model(
        body,
        opset_imports=[opset],
        ir_version=helper.find_min_ir_version_for([opset]),
        producer_name=f"hwsim ({LABEL})",
        producer_version=__version__,
        doc_string=text,
    )
    helper.set_model_props(model, {"hwsim.exactness": LABEL, "hwsim.bit_exact_export": EXACT})
    return model
