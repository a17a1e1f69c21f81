"""Small QDQ models, written by hand: quantize the input, compute, quantize the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .models import Net

U8, I8 = np.uint8, np.int8
SEVEN = U8(7)


class Qdq(Net):
    """A net whose input is quantized at once."""

    def __init__(self, *shape: int, scale: float = 0.05, zero: Any = SEVEN, seed: int = 0) -> None:
        super().__init__(*shape, seed=seed)
        self.scale, self.zero = scale, zero
        self.x = self.pair("x", scale, zero)

    def quantize(self, x: str, scale: float, zero: Any) -> str:
        return self.node("QuantizeLinear", x, *self.parameters(scale, zero))

    def pair(self, x: str, scale: float, zero: Any) -> str:
        """Reals of the codes of `x`."""
        return self.node("DequantizeLinear", self.quantize(x, scale, zero), *self.parameters(scale, zero))

    def parameters(self, scale: Any, zero: Any) -> tuple[str, str]:
        return self.constant(np.asarray(scale, np.float32)), self.constant(np.asarray(zero))

    def codes(self, array: NDArray[Any], scale: Any, zero: Any, **attrs: Any) -> str:
        """Reals of a constant that is stored as codes."""
        return self.node("DequantizeLinear", self.constant(array), *self.parameters(scale, zero), **attrs)

    def done(self, y: str, scale: float | None = None, zero: Any = None, opset: int = 21) -> onnx.ModelProto:
        """The model that quantizes `y`, by default as its input, and gives reals."""
        scale, zero = (self.scale if scale is None else scale), (self.zero if zero is None else zero)
        return self.model(self.pair(y, scale, zero), opset=opset)
