"""Hardware units: an op of hwsim plus the choices that only hardware has. Each becomes one Verilog module."""

from __future__ import annotations

from .block_mac import BlockMacUnit
from .composed import layernorm_unit, rmsnorm_unit, softmax_unit
from .elementwise import ElementwiseUnit
from .float_format import BF16, FP16, FP32, ArithmeticFloat
from .float_mac import FloatMacUnit
from .float_operators import FloatAdderUnit, FloatMultiplierUnit
from .float_pwl import FloatPwlUnit
from .lut import LutUnit
from .mac import MacUnit
from .processing_element import ProcessingElement
from .pwl import PwlUnit
from .reduce import ReduceUnit
from .requant import RequantUnit
from .row import RowUnit
from .shift import ShiftUnit
from .systolic import SystolicTile
from .unit import Unit

__all__ = [
    "BF16",
    "FP16",
    "FP32",
    "ArithmeticFloat",
    "BlockMacUnit",
    "ElementwiseUnit",
    "FloatAdderUnit",
    "FloatMacUnit",
    "FloatMultiplierUnit",
    "FloatPwlUnit",
    "LutUnit",
    "MacUnit",
    "ProcessingElement",
    "PwlUnit",
    "ReduceUnit",
    "RequantUnit",
    "RowUnit",
    "ShiftUnit",
    "SystolicTile",
    "Unit",
    "layernorm_unit",
    "rmsnorm_unit",
    "softmax_unit",
]
