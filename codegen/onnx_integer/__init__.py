"""Quantized ONNX: Q/DQ pairs and QLinear operators become the integer graph."""

from __future__ import annotations

from .converters import integer_graph, is_quantized

__all__ = ["integer_graph", "is_quantized"]
