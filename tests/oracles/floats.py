"""gfloat's and ml_dtypes' descriptions of our small float formats, and all finite float16 numbers."""

from __future__ import annotations

from typing import Any

import gfloat
import ml_dtypes
import numpy as np
from gfloat import formats as known
from numpy.typing import NDArray

from hwsim.formats import FloatFormat

ML_DTYPES = {
    "fp4_e2m1": ml_dtypes.float4_e2m1fn,
    "fp6_e2m3": ml_dtypes.float6_e2m3fn,
    "fp6_e3m2": ml_dtypes.float6_e3m2fn,
    "fp8_e4m3": ml_dtypes.float8_e4m3fn,
    "fp8_e5m2": ml_dtypes.float8_e5m2,
}
MODES = {
    "half_even": gfloat.RoundMode.TiesToEven,
    "half_away": gfloat.RoundMode.TiesToAway,
    "floor": gfloat.RoundMode.TowardNegative,
    "toward_zero": gfloat.RoundMode.TowardZero,
}


def _plain(name: str, precision: int, bias: int, bits: int = 4) -> gfloat.FormatInfo:
    """A format whose every code is finite; OCP names none of these."""
    return gfloat.FormatInfo(
        name,
        bits,
        precision,
        bias=bias,
        is_signed=True,
        domain=gfloat.Domain.Finite,
        has_nz=True,
        num_high_nans=0,
        has_subnormals=True,
        is_twos_complement=False,
    )


GFLOAT = {
    "fp4_e2m1": known.format_info_ocp_e2m1,
    "fp4_e1m2": _plain("e1m2", 3, 1),
    "fp4_e3m0": _plain("e3m0", 1, 3),
    "fp6_e2m3": known.format_info_ocp_e2m3,
    "fp6_e3m2": known.format_info_ocp_e3m2,
    "fp8_e4m3": known.format_info_ocp_e4m3,
    "fp8_e5m2": known.format_info_ocp_e5m2,
    "fp6_e1m4": _plain("e1m4", 5, 1, 6),
    "fp6_e4m1": _plain("e4m1", 2, 7, 6),
    "fp8_e1m6": _plain("e1m6", 7, 1, 8),
    "fp8_e2m5": _plain("e2m5", 6, 1, 8),
    "fp8_e3m4": _plain("e3m4", 5, 3, 8),
}


def float16_numbers() -> NDArray[np.float64]:
    """Every finite float16, both zeros included: 63,488 numbers."""
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return x[np.isfinite(x)].astype(np.float64)


def gfloat_codes(fmt: FloatFormat, x: NDArray[np.float64], rounding: str) -> NDArray[np.uint64]:
    """Saturated codes by gfloat."""
    info = GFLOAT[fmt.name]
    return gfloat.encode_ndarray(info, gfloat.round_ndarray(info, x, MODES[rounding], sat=True))


def gfloat_values(fmt: FloatFormat) -> NDArray[np.float64]:
    """Value of every code by gfloat; NaN and Inf where the format has them."""
    return np.asarray(gfloat.decode_ndarray(GFLOAT[fmt.name], np.arange(1 << fmt.bits)), np.float64)


def ml_dtypes_codes(fmt: FloatFormat, x: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Codes by ml_dtypes (half to even), and which of them are finite: casts do not saturate."""
    y: Any = x.astype(ML_DTYPES[fmt.name])
    return y.view(np.uint8), np.isfinite(y.astype(np.float64))
