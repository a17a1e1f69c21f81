"""Which ONNX type holds the codes of a format, and tensors of that type.

weights      the format's own type (INT2 .. INT16, UINT2 .. UINT16, FLOAT4E2M1, FLOAT8E4M3FN, FLOAT8E5M2), else the
             smallest that holds all its numbers: E1M2 and ternary are integers of 4 and 2 bits, E2M3 of 8, E3M2 is in
             E4M3, others are the integers of their grid with the grid's step in the scale. Always exact.
activations  the format's own type alone: no other QuantizeLinear rounds and saturates as the format does

FP6 has types of its own since opset 28, which no runtime reads yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import (
    FP4_E2M1,
    FP8_E4M3,
    FP8_E5M2,
    INT2,
    INT4,
    INT8,
    INT16,
    UINT2,
    UINT4,
    UINT8,
    UINT16,
    Codes,
    FloatFormat,
    Format,
    Reals,
)

from .pack import pack

if TYPE_CHECKING:
    import onnx

OPSET = 21  # QuantizeLinear on INT4 and INT16, and in blocks
WIDEST = 16  # bits of a code that QuantizeLinear makes


@dataclass(frozen=True)
class Kind:
    """A type of `TensorProto.DataType` by its name, its numbers, and the opset whose DequantizeLinear reads it."""

    name: str
    fmt: Format
    opset: int = OPSET

    @property
    def known(self) -> bool:
        """Whether the installed onnx has it."""
        return installed(self.name, self.opset)

    def holds(self, fmt: Format) -> bool:
        """Whether it has every number of `fmt`, up to a common factor where it is an integer type."""
        if isinstance(self.fmt, FloatFormat):
            return isinstance(fmt, FloatFormat) and bool(np.isin(numbers(fmt), numbers(self.fmt)).all())
        return self.fmt.min_int <= fmt.min_int and fmt.max_int <= self.fmt.max_int

    def step(self, fmt: Format) -> float:
        """What one unit of the stored number means, in units of the scale of `fmt`."""
        return 1.0 if isinstance(self.fmt, FloatFormat) else float(np.ldexp(1.0, fmt.lsb_exp))

    def stored(self, codes: Codes, fmt: Format) -> Codes:
        """`codes` of `fmt` as codes of this type."""
        if self.fmt == fmt:
            return codes
        units = fmt.to_int(codes)
        return self.fmt.encode(np.ldexp(units, fmt.lsb_exp)) if isinstance(self.fmt, FloatFormat) else units


KINDS = (  # smallest first
    *(Kind("INT2", INT2, 25), Kind("UINT2", UINT2, 25)),
    *(Kind("INT4", INT4), Kind("UINT4", UINT4), Kind("FLOAT4E2M1", FP4_E2M1, 23)),
    *(Kind("INT8", INT8), Kind("UINT8", UINT8), Kind("FLOAT8E4M3FN", FP8_E4M3), Kind("FLOAT8E5M2", FP8_E5M2)),
    *(Kind("INT16", INT16), Kind("UINT16", UINT16)),
)
EXPONENT, EXPONENT_OPSET = "FLOAT8E8M0", 24  # of scales


def installed(name: str, opset: int) -> bool:
    """Whether the installed onnx has a type, and the opset that reads it."""
    import onnx

    return hasattr(onnx.TensorProto, name) and opset <= onnx.defs.onnx_opset_version()


def numbers(fmt: FloatFormat) -> Reals:
    """All numbers of a format; reserved codes read 0."""
    return np.ldexp(fmt.grid.astype(np.float64), fmt.lsb_exp)


def weight_kind(fmt: Format) -> Kind:
    """The type that holds every number of `fmt`, its own or the smallest; ValueError where ONNX has none."""
    known = [k for k in KINDS if k.known]
    found = next((k for k in known if k.fmt == fmt), None) or next((k for k in known if k.holds(fmt)), None)
    if found is None:
        raise ValueError(f"{fmt.name} of {fmt.bits} bits, for which no type of at most {WIDEST} is exact")
    return found


def value_kind(fmt: Format) -> Kind:
    """The type whose QuantizeLinear gives the codes of `fmt`; ValueError where there is none."""
    found = next((k for k in KINDS if k.fmt == fmt and k.known), None)
    if found is None:
        raise ValueError(f"{fmt.name}, to which the installed onnx has no QuantizeLinear")
    return found


def code_tensor(name: str, codes: Codes, fmt: Format, kind: Kind) -> onnx.TensorProto:
    """`codes` of `fmt` as an initializer of type `kind`, 2 and 4 bits packed, the first in the low bits."""
    stored, bits = kind.stored(codes, fmt), kind.fmt.bits
    raw = pack(stored, bits) if bits < 8 else stored.astype(kind.fmt.dtype.newbyteorder("<"))
    return raw_tensor(name, kind.name, codes.shape, raw.tobytes())


def raw_tensor(name: str, kind: str, shape: tuple[int, ...], raw: bytes) -> onnx.TensorProto:
    """An initializer from its bytes."""
    import onnx

    return onnx.TensorProto(name=name, data_type=getattr(onnx.TensorProto, kind), dims=shape, raw_data=raw)


def single(scale: Reals, owner: str) -> NDArray[np.float32]:
    """Scales in float32, the nearest; ValueError where they leave its range."""
    with np.errstate(over="ignore", under="ignore"):
        near = np.asarray(scale).astype(np.float32)
    if not (np.isfinite(near) & (near > 0)).all():
        raise ValueError(f"{owner!r}: scale {float(np.max(scale)):g} or {float(np.min(scale)):g} is no float32 > 0")
    return near
