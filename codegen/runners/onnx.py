"""Run a Graph's ONNX form: in ONNX Runtime (optimisations off and all) and in onnx's ReferenceEvaluator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from hwsim.formats import Codes
from hwsim.graph import Graph

from ..onnx_text import emit_onnx
from ..views.onnx_types import carrier
from .ran import Ran


def feeds(graph: Graph, codes: Mapping[str, Codes]) -> dict[str, NDArray[Any]]:
    """Codes in the types that carry them."""
    return {v.name: codes[v.name].astype(carrier(v.type.fmt).dtype) for v in graph.inputs}


def named(graph: Graph, arrays: list[Any], *, trace: bool) -> dict[str, Codes]:
    """Outputs by name, in their formats' containers; a code that does not fit its container is kept wide."""
    out = {}
    for v, a in zip(graph.results(trace=trace), arrays, strict=True):
        narrow = a.astype(v.type.fmt.dtype)
        out[v.name] = narrow if (narrow == a).all() else a
    return out


def run_ort(graph: Graph, codes: Mapping[str, Codes], trace: bool) -> Iterator[Ran]:
    """ONNX Runtime, single thread, optimisations off and all."""
    import onnxruntime as ort

    model = emit_onnx(graph, trace=trace)
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL"):
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        arrays = session.run(None, feeds(graph, codes))
        what = "optimisations off" if level == "ORT_DISABLE_ALL" else "all optimisations"
        yield Ran(f"onnxruntime {ort.__version__}, {what}", named(graph, arrays, trace=trace))


def run_reference(graph: Graph, codes: Mapping[str, Codes], trace: bool) -> Iterator[Ran]:
    """The executable specification of ONNX."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = emit_onnx(graph, trace=trace)
    arrays = ReferenceEvaluator(model).run(None, feeds(graph, codes))
    yield Ran(f"onnx {onnx.__version__} ReferenceEvaluator", named(graph, list(arrays), trace=trace))
