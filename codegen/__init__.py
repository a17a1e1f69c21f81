"""codegen: how a Graph is written down, and the proof that it still computes the same bits."""

from __future__ import annotations

from .c import Footprint, emit_c, footprint
from .checks import Report, verify
from .folder import emit_c_folder, emit_cmsis_nn
from .onnx_reader import read_onnx
from .onnx_text import emit_onnx
from .outside import explain
from .qdq import emit_qdq
from .tflite_reader import read_tflite
from .unit_checks import verify_unit
from .verilog import emit_verilog

__all__ = [
    "Footprint",
    "Report",
    "emit_c",
    "emit_c_folder",
    "emit_cmsis_nn",
    "emit_onnx",
    "emit_qdq",
    "emit_verilog",
    "explain",
    "footprint",
    "read_onnx",
    "read_tflite",
    "verify",
    "verify_unit",
]
