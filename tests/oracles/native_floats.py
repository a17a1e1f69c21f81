"""What numpy and ml_dtypes make of float sums and products, and the same by exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from codegen.rtl.float_format import ArithmeticFloat

NATIVE: dict[str, Any] = {
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
}


def numbers_of(fmt: ArithmeticFloat, codes: NDArray[Any]) -> NDArray[Any]:
    """Codes as numpy's numbers; subnormals are zero where the format flushes them."""
    x = codes.astype(fmt.codes.dtype).view(NATIVE[fmt.name])
    return np.where(_small(fmt, x), np.copysign(x.dtype.type(0), x), x) if fmt.flushes else x


def codes_of(fmt: ArithmeticFloat, y: NDArray[Any]) -> NDArray[np.int64]:
    """Numpy's numbers as codes: one NaN, subnormals flushed if need be, a finite format's overflow saturated."""
    flushed = np.where(_small(fmt, y), np.copysign(y.dtype.type(0), y), y) if fmt.flushes else y
    codes = flushed.astype(NATIVE[fmt.name]).view(fmt.codes.dtype).astype(np.int64)
    sign = codes & 1 << (fmt.bits - 1)
    return np.where(np.isnan(y.astype(np.float64)), fmt.nan if fmt.infinite else sign | fmt.largest, codes)


def _small(fmt: ArithmeticFloat, x: NDArray[Any]) -> NDArray[np.bool_]:
    return np.abs(x.astype(np.float64)) < 2.0 ** (1 - fmt.bias)


def exact_code(fmt: ArithmeticFloat, x: Fraction) -> int:
    """The code of `x` != 0, half to even, in fractions only."""
    sign, x = (1 << (fmt.bits - 1) if x < 0 else 0), abs(x)
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > x
    lowest = 1 - fmt.bias
    step = Fraction(2) ** ((exponent if fmt.flushes else max(exponent, lowest)) - fmt.man_bits)
    x = round(x / step) * step  # Python rounds fractions half to even
    if x < Fraction(2) ** lowest:
        return sign | (0 if fmt.flushes else int(x / Fraction(2) ** (lowest - fmt.man_bits)))
    exponent = x.numerator.bit_length() - x.denominator.bit_length()
    mantissa = (x / Fraction(2) ** exponent - 1) * (1 << fmt.man_bits)
    return sign | min((exponent + fmt.bias << fmt.man_bits) + int(mantissa), fmt.overflow)
