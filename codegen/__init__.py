"""codegen: how a Graph is written down, and the proof that it still computes the same bits."""

from __future__ import annotations

from .c import Footprint, emit_c, footprint
from .checks import Report, verify
from .onnx_text import emit_onnx
from .qdq import emit_qdq

__all__ = ["Footprint", "Report", "emit_c", "emit_onnx", "emit_qdq", "footprint", "verify"]
