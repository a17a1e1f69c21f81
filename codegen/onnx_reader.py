"""An ONNX model -> the integer graph that it says, or, where it is in float, the front graph to quantize."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from hwsim.front import FrontGraph
from hwsim.graph import Graph

from .onnx_float import front_graph
from .onnx_integer import integer_graph, is_quantized
from .onnx_model import load_model


def read_onnx(
    source: str | os.PathLike[str] | bytes | Any, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Graph | FrontGraph:
    """Read an outside model; the batch is the first axis of every input.

    Args:
        source: path, bytes, or ``onnx.ModelProto``.
        shapes: sample shapes of inputs that the file leaves open.

    Returns:
        Graph of a quantized model (Q/DQ pairs, QLinear operators) with the requantization of ONNX Runtime
        (``onnx_float``); FrontGraph of a float one, for `hwsim.quantization.quantize_model`.

    Raises:
        Unsupported: everything that cannot be read, at once.
        ValueError: no valid file.
    """
    model = load_model(source, shapes)
    return integer_graph(model) if is_quantized(model) else front_graph(model)
