"""Run an outside ONNX model in ONNX Runtime and hand out the codes of any of its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes

LEVEL = "ORT_ENABLE_ALL"


def run_ort_model(
    model: bytes, inputs: Mapping[str, NDArray[Any]], wanted: Mapping[str, Any] | None = None, level: str = LEVEL
) -> dict[str, Codes]:
    """Outputs by name, and the values of `wanted`, which become outputs.

    Args:
        model: content of the file, which must hold its weights.
        inputs: arrays as the model declares them.
        wanted: dtype of each inner value that is asked for: codes alone, since an exposed real hinders fusion.
        level: optimisation level, an attribute of ``onnxruntime.GraphOptimizationLevel``; one thread.
    """
    import onnx
    import onnxruntime as ort

    proto = onnx.load_from_string(model)
    known = {o.name for o in proto.graph.output}
    for name, dtype in (wanted or {}).items():
        if name not in known:
            kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            proto.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in proto.graph.output]
    return {name: np.asarray(x) for name, x in zip(names, session.run(names, dict(inputs)), strict=True)}
