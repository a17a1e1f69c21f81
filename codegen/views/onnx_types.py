"""ONNX element types: what carries a code, and what an exact computation needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.formats import Format
from hwsim.ranges import Interval

# Why these: ONNX Runtime has no Max, Where or Clip on int16, so anything between 8 and 32 bits rides in int32.
IDS = {"uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float": 1, "double": 11}
NUMPY = {"float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Kind:
    """An element type: ONNX's name, its number, numpy's dtype."""

    name: str

    @property
    def id(self) -> int:
        """Number in TensorProto.DataType."""
        return IDS[self.name]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype."""
        return np.dtype(NUMPY.get(self.name, self.name))


INT32, INT64, FLOAT, DOUBLE, UINT8 = (Kind(n) for n in ("int32", "int64", "float", "double", "uint8"))
EXACT = {FLOAT: 1 << 24, DOUBLE: 1 << 53, INT32: 1 << 31, INT64: 1 << 63}


BYTE = Interval(0, 255)


def exact_kind(worst: int) -> Kind:
    """float, double or int64: the first whose sums up to `worst` are exact."""
    return FLOAT if worst < EXACT[FLOAT] else DOUBLE if worst < EXACT[DOUBLE] else INT64


def carrier(fmt: Format) -> Kind:
    """What codes of `fmt` ride in: int8 / uint8, int32, int64."""
    if fmt.bits <= 8:
        return Kind(fmt.dtype.name)
    return INT32 if np.iinfo(fmt.dtype).max < 1 << 31 else INT64


def wide(*reach: Interval) -> Kind:
    """int32 where every interval fits it, else int64."""
    return INT32 if all(r.lo >= -(1 << 31) and r.hi < 1 << 31 for r in reach) else INT64
