"""TFLite operators that are no layers: sums, products, means, functions, softmax, comparisons of codes."""

from __future__ import annotations

from collections.abc import Callable

from hwsim.dialects import tflite_elementwise as elementwise
from hwsim.dialects.tflite_functions import ACTIVATIONS, clamp, unary
from hwsim.dialects.tflite_reduce import mean
from hwsim.dialects.tflite_softmax import softmax
from hwsim.dialects.tflite_softmax16 import softmax16
from hwsim.formats import INT8, INT16
from hwsim.graph import Value

from .context import Operator, Reading

Convert = Callable[[Reading, Operator], None]


def _limits(r: Reading, o: Operator) -> tuple[int | None, int | None]:
    """Where the fused activation saturates; ValueError for one that TFLite's integer kernels ignore."""
    fused = str(o.options.get("fused_activation_function", "NONE"))
    out = r.type(o.outs[0])
    if fused != "NONE" and (fused not in ACTIVATIONS or out.fmt not in (INT8, INT16)):
        raise ValueError(f"{o.kind} {r.name(o.outs[0])!r}: fused {fused} on {out.fmt.name} is not supported")
    return clamp(out, fused)


def _operands(r: Reading, o: Operator) -> tuple[Value, Value]:
    return r.value(o.ins[0]), r.value(o.ins[1])


def _add(r: Reading, o: Operator) -> None:
    lo, hi = _limits(r, o)
    (a, b), (i,) = _operands(r, o), o.outs
    minus = o.kind == "SUB"
    y = elementwise.add(r.graph, a, b, r.type(i), r.contract, subtract=minus, lo=lo, hi=hi, name=r.name(i))
    r.define(i, y)


def _mul(r: Reading, o: Operator) -> None:
    lo, hi = _limits(r, o)
    (a, b), (i,) = _operands(r, o), o.outs
    r.define(i, elementwise.mul(r.graph, a, b, r.type(i), r.contract, lo=lo, hi=hi, name=r.name(i)))


def _squared_difference(r: Reading, o: Operator) -> None:
    (a, b), (i,) = _operands(r, o), o.outs
    r.define(i, elementwise.squared_difference(r.graph, a, b, r.type(i), name=r.name(i)))


def _prelu(r: Reading, o: Operator) -> None:
    (x, alpha), (i,) = _operands(r, o), o.outs
    r.define(i, elementwise.prelu(r.graph, x, alpha, r.type(i), r.contract, name=r.name(i)))


def _extreme(r: Reading, o: Operator) -> None:
    (a, b), (i,) = _operands(r, o), o.outs
    y = elementwise.extreme(r.graph, a, b, r.type(i), largest=o.kind == "MAXIMUM", name=r.name(i))
    r.define(i, y)


def _mean(r: Reading, o: Operator) -> None:
    """MEAN, and TFLM's SUM. Why not LiteRT's: its reference kernel of SUM adds codes, which is no sum of numbers."""
    (i,), x = o.outs, r.value(o.ins[0])
    if o.kind == "SUM" and r.contract == "tfl_single":
        raise ValueError(f"SUM {r.name(i)!r}: LiteRT's arithmetic is not known; read it as tflm_double or use MEAN")
    rank = len(x.type.shape)
    axes = tuple(dict.fromkeys(a + rank if a < 0 else a for a in r.numbers(o.ins[1])))
    keep = bool(o.options.get("keep_dims", False))
    y = mean(r.graph, x, r.type(i), axes, keep=keep, total=o.kind == "SUM", name=r.name(i))
    r.define(i, y)


def _softmax(r: Reading, o: Operator) -> None:
    (i,), x = o.outs, r.value(o.ins[0])
    beta = float(o.options.get("beta", 1.0))
    if x.type.fmt == INT16:
        r.define(i, softmax16(r.graph, x, r.type(i), r.contract, beta=beta, name=r.name(i)))
    else:
        r.define(i, softmax(r.graph, x, r.type(i), beta=beta, name=r.name(i)))


def _unary(r: Reading, o: Operator) -> None:
    (i,) = o.outs
    kind = "gelu_tanh" if o.kind == "GELU" and o.options.get("approximate") else o.kind.lower()
    alpha = float(o.options.get("alpha", 0.0))
    r.define(i, unary(r.graph, kind, r.value(o.ins[0]), r.type(i), r.contract, alpha=alpha, name=r.name(i)))


FUNCTIONS = (
    *("LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "ELU", "EXP", "GELU", "ABS", "NEG"),
    *("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"),
)
NONLINEAR: dict[str, Convert] = {
    **{"ADD": _add, "SUB": _add, "MUL": _mul, "SQUARED_DIFFERENCE": _squared_difference, "PRELU": _prelu},
    **{"MAXIMUM": _extreme, "MINIMUM": _extreme, "MEAN": _mean, "SUM": _mean, "SOFTMAX": _softmax},
    **dict.fromkeys(FUNCTIONS, _unary),
}
