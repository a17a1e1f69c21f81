"""TFLite's ADD, SUB, MUL, PRELU, MAXIMUM and their like: one accumulator for both operands, then one requantization.

``tflm_double`` throughout, in LiteRT's reference kernels as in TFLM.
Measured against LiteRT 2.3 and TFLM, all pairs of codes: tests/hwsim/dialects/test_tflite_elementwise.py.
"""

from __future__ import annotations

import numpy as np

from ..blocks.exact import negated
from ..contracts import Pow2, TflmDouble
from ..formats import INT8, INT16, INT32, INT64, IntFormat
from ..graph import Graph, Value
from ..ops import Add, Mul, Requant
from ..ops.shapes import per_tensor, same_grid
from ..qtensor import QType
from .linear import requant
from .tflite_functions import scale_type

LEFT_SHIFT = {INT8: 20, INT16: 15}  # bits below the step that a sum keeps
SQUARE_SHIFT = 7  # and a difference to be squared


def add(
    g: Graph,
    a: Value,
    b: Value,
    out: QType,
    contract: str,
    *,
    subtract: bool = False,
    lo: int | None = None,
    hi: int | None = None,
    name: str,
) -> Value:
    """``a + b`` or ``a - b``: both on a step of twice the larger scale, `LEFT_SHIFT` bits finer, summed exactly.

    Args:
        g: where to add it.
        a: operand of the format of `out`, one scale.
        b: the other, broadcasting.
        out: INT8 or INT16 type of the result (its shape is not looked at).
        contract: ``tfl_single`` is LiteRT, ``tflm_double`` TFLM; they differ for INT16 of power-of-two scales.
        subtract: whether `b` is subtracted.
        lo: least code of a fused activation's clamp.
        hi: its greatest code.
        name: of the result.
    """
    fmt = _one_format("add", a, b, out)
    scales = [per_tensor("add", t)[0] for t in (a.type, b.type, out)]
    if fmt == INT16 and contract == "tfl_single" and len(set(scales)) > 1 and all(_power_of_two(s) for s in scales):
        raise ValueError(
            f"add {name!r}: LiteRT shifts INT16 of the scales {scales}; read it as tflm_double or use INT8"
        )
    bits = LEFT_SHIFT[fmt]
    twice = 2 * max(per_tensor("add", v.type)[0] for v in (a, b))
    first, second = _fine(g, a, twice, bits, f"{name}.a"), _fine(g, b, twice, bits, f"{name}.b")
    if subtract:
        second = negated(g, second, f"{name}.b.minus")
    total = g.add(Add(fmt=INT32), first, second, name=f"{name}.sum")
    ratio = twice / ((1 << bits) * per_tensor("add", out)[0])
    return g.add(requant(out, TflmDouble.of(ratio), lo, hi), total, name=name)


def _fine(g: Graph, x: Value, twice: float, bits: int, name: str) -> Value:
    """``x - zero_point``, shifted left, then scaled onto the step ``twice * 2**-bits``."""
    scale, _ = per_tensor("add", x.type)
    shifted, common = (QType((1,), INT32, float(np.ldexp(s, -bits))) for s in (scale, twice))
    fine = g.add(requant(shifted, Pow2(shift=(-bits,))), x, name=f"{name}.shifted")
    return g.add(requant(common, TflmDouble.of(scale / twice)), fine, name=f"{name}.scaled")


def mul(
    g: Graph,
    a: Value,
    b: Value,
    out: QType,
    contract: str,
    *,
    lo: int | None = None,
    hi: int | None = None,
    name: str,
) -> Value:
    """``a * b``: the exact product of both less their zero points, requantized once; arguments as `add`.

    LiteRT (`contract` ``tfl_single``) divides the scales in float32, TFLM in float64.
    """
    _one_format("mul", a, b, out)
    product = g.add(Mul(fmt=INT32), a, b, name=f"{name}.product")
    real = scale_type(contract)
    scales = [real(per_tensor("mul", t)[0]) for t in (a.type, b.type, out)]
    constants = TflmDouble.of(float(scales[0] * scales[1] / scales[2]))
    if g.reach[product.name].hi << max(constants.shift[0], 0) > INT32.max_int:
        raise ValueError(
            f"mul {name!r}: products times 2**{constants.shift[0]} overflow TFLite's int32; widen the scale"
        )
    return g.add(requant(out, constants, lo, hi), product, name=name)


def squared_difference(g: Graph, a: Value, b: Value, out: QType, *, name: str) -> Value:
    """``(a - b)**2`` of INT8: as `add`, with 7 bits below the step, then the exact square; arguments as `add`."""
    if _one_format("squared_difference", a, b, out) != INT8:
        raise ValueError(f"squared_difference {name!r}: {out.fmt.name}; only INT8 is taken")
    twice = 2 * max(per_tensor("squared_difference", v.type)[0] for v in (a, b))
    first, second = (_fine(g, v, twice, SQUARE_SHIFT, f"{name}.{part}") for v, part in ((a, "a"), (b, "b")))
    d = g.add(Add(fmt=INT32), first, negated(g, second, f"{name}.b.minus"), name=f"{name}.difference")
    square = g.add(Mul(fmt=INT32), d, d, name=f"{name}.square")
    ratio = twice * twice / ((1 << 2 * SQUARE_SHIFT) * per_tensor("squared_difference", out)[0])
    return g.add(requant(out, TflmDouble.of(ratio)), square, name=name)


def prelu(g: Graph, x: Value, alpha: Value, out: QType, contract: str, *, name: str) -> Value:
    """``x`` where it is positive, else ``x * alpha``, each requantized by its own multiplier; INT8, broadcasting."""
    if _one_format("prelu", x, alpha, out) != INT8:
        raise ValueError(f"prelu {name!r}: {out.fmt.name}; only INT8 is taken")
    (scale, _), (slope, _), (out_scale, _) = (per_tensor("prelu", t) for t in (x.type, alpha.type, out))
    above = g.add(_limited(x.type, 0, None), x, name=f"{name}.above")
    below = g.add(_limited(x.type, None, 0), x, name=f"{name}.below")
    product = g.add(Mul(fmt=INT32), below, alpha, name=f"{name}.product")
    wide = QType((1,), INT32, out_scale)
    sides = (
        g.add(requant(wide, TflmDouble.of(scale / out_scale)), above, name=f"{name}.positive"),
        g.add(requant(wide, TflmDouble.of(scale * slope / out_scale)), product, name=f"{name}.negative"),
    )
    total = g.add(Add(fmt=INT64), *sides, name=f"{name}.sum")
    return g.add(requant(out, Pow2(shift=(0,))), total, name=name)


def extreme(g: Graph, a: Value, b: Value, out: QType, *, largest: bool, name: str) -> Value:
    """The larger or smaller of two codes of one type: ``a + max(b - a, 0)``, which is exact. TFLite compares codes."""
    same_grid("maximum" if largest else "minimum", a.type, b.type, out)
    if a.type.fmt != INT8:
        raise ValueError(f"maximum or minimum {name!r}: {a.type.fmt.name}; only INT8 is taken")
    d = g.add(Add(fmt=INT16), b, negated(g, a, f"{name}.a.minus"), name=f"{name}.difference")
    lo, hi = (0, None) if largest else (None, 0)
    step = g.add(_limited(d.type, lo, hi), d, name=f"{name}.step")
    moved = g.add(Add(fmt=INT16), a, step, name=f"{name}.moved")
    return g.add(requant(out, Pow2(shift=(0,))), moved, name=name)


def rescale(g: Graph, x: Value, out: QType, *, name: str) -> Value:
    """QUANTIZE of integers: another scale, zero point or format by one multiplier."""
    ratio = per_tensor("quantize", x.type)[0] / per_tensor("quantize", out)[0]
    return g.add(requant(out, TflmDouble.of(ratio)), x, name=name)


def _limited(x: QType, lo: int | None, hi: int | None) -> Requant:
    """The value less its zero point, limited: the half of a number line."""
    return requant(QType((1,), INT16, per_tensor("limit", x)[0]), Pow2(shift=(0,)), lo, hi)


def _power_of_two(scale: float) -> bool:
    """As TFLite's CheckedLog2 sees it."""
    log = float(np.log2(scale))
    return abs(log - round(log)) < 1e-3


def _one_format(op: str, a: Value, b: Value, out: QType) -> IntFormat:
    formats = [t.fmt for t in (a.type, b.type, out)]
    for fmt in LEFT_SHIFT:
        if all(f == fmt for f in formats):
            return fmt
    names = ", ".join(f.name for f in formats)
    raise ValueError(f"{op}: {a.name!r}, {b.name!r} and the result are {names}; all must be INT8 or all INT16")
