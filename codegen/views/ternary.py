"""Weights of -1, 0 and 1 in 2 bits a code: plain loops add, subtract or leave out, and never multiply."""

from __future__ import annotations

import numpy as np

from hwsim.formats import IntFormat

from .c_view import CView, Load


def product(v: CView, left: str, weights: Load, at: str, acc: str) -> str:
    """``left * weight`` in type `acc`: input 1 of the node, index `at` of `weights`, its zero point not subtracted."""
    tensor, fmt = v.graph.constants.get(v.node.ins[1].name), v.type(1).fmt
    two_bits = isinstance(fmt, IntFormat) and fmt.signed and weights.packed == fmt.bits == 2
    if tensor is None or not two_bits or acc != "int32_t" or np.any(v.type(1).zero_point) or tensor.codes.min() < -1:
        return f"{left} * {weights.at(at, acc)}"
    return f"hw_ternary({left}, hw_packed_u({weights.name}, {at}, 2))"
