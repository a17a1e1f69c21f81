"""Float ONNX models as front graphs: patterns first, by what they compute, then one function an operator."""

from __future__ import annotations

from .importer import front_graph

__all__ = ["front_graph"]
