"""Hardware units: an op of hwsim plus the choices that only hardware has. Each becomes one Verilog module."""

from __future__ import annotations

from .elementwise import ElementwiseUnit
from .lut import LutUnit
from .mac import MacUnit
from .pwl import PwlUnit
from .reduce import ReduceUnit
from .requant import RequantUnit
from .shift import ShiftUnit
from .unit import Unit

__all__ = ["ElementwiseUnit", "LutUnit", "MacUnit", "PwlUnit", "ReduceUnit", "RequantUnit", "ShiftUnit", "Unit"]
