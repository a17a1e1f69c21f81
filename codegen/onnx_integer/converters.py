"""One function a kind of node: quantizers, QOperator nodes, movement of codes; all else waits for its quantizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hwsim.dialects.ort_functions import quantized as encoded
from hwsim.formats import UINT8
from hwsim.graph import Graph
from hwsim.qtensor import QType, encode

from ..onnx_model import Model, Node
from .arithmetic import ARITHMETIC
from .expression import Apply, Expression, Held, Number, Source, Weight
from .layers import LAYERS
from .movement import MOVEMENT, code_limits, moved, narrowed, unquantized
from .pools import POOLS
from .qlinear import CONCAT, FORMS, meant
from .reading import FORMATS, LIMITS, Reading, Refused, applied, same_grid
from .scores import SCORES
from .tables import ELEMENTWISE, is_table, table

Quantize = Callable[[Reading, Apply, QType, LIMITS, str], Held]
OPERATIONS: dict[str, Quantize] = {**LAYERS, **ARITHMETIC, **POOLS, **SCORES}
CLAMPS = ("Relu", "Clip")
PASSING = ("Identity", "Dropout")
QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
DYNAMIC = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "com.microsoft.DynamicQuantizeMatMul")


def is_quantized(model: Model) -> bool:
    """Whether the file says how it is quantized."""
    return any(node.op.split(".")[-1] in QUANTIZERS or node.op in (*FORMS, CONCAT, *DYNAMIC) for node in model.nodes)


def integer_graph(model: Model) -> Graph:
    """The integer graph of a quantized model; values have the names of the model's codes.

    Raises:
        Unsupported: every node that cannot be read, with position and reason.
    """
    return Reading(model).run(check, convert, settled)


def check(node: Node) -> None:
    """Refuse an operator that is not known at all."""
    if node.op in DYNAMIC:
        raise Refused("scales that are found at run time have no fixed graph; quantize statically")
    plain = node.op.removeprefix("com.microsoft.")
    known = (*QUANTIZERS, *OPERATIONS, *MOVEMENT, *CLAMPS)
    if plain not in QUANTIZERS and node.op not in (*known, *FORMS, CONCAT, *ELEMENTWISE):
        raise Refused(f"{node.op} is not read; known are {', '.join(sorted({*known, *ELEMENTWISE}))}")


def convert(r: Reading, node: Node) -> None:
    """Define the results of one node."""
    op, name = node.op.removeprefix("com.microsoft."), node.outs[0] if node.outs else ""
    if op == "QuantizeLinear":
        quantize(r, node, name)
    elif op == "DequantizeLinear":
        codes, scale, zero = (*node.ins, "")[:3]
        r.reals[name] = r.dequantized(codes, scale, zero, int(node.attrs.get("axis", 1)))
    elif node.op in FORMS or node.op == CONCAT:
        e, out = meant(r, node)
        r.codes[name] = quantized(r, e, out, name)
    elif node.ins and node.ins[0] in r.fixed and node.op == "Clip":
        r.fixed[name] = np.clip(r.fixed[node.ins[0]], *code_limits(r, node))
    elif node.ins and node.ins[0] in r.codes:
        moving(r, node)
    else:
        whole = applied(r, node)
        r.reals[name] = whole
        for k, other in enumerate(node.outs[1:], 1):
            r.reals[other] = Apply(replace(node, op=f"{node.op}#{k}"), whole.args)


def moving(r: Reading, node: Node) -> None:
    """An operation on codes themselves: they move, or are limited (Brevitas' QCDQ)."""
    x = r.codes[node.ins[0]]
    if node.op == "Clip":
        r.codes[node.outs[0]] = narrowed(r, node, x)
        return
    if node.op not in MOVEMENT:
        raise Refused(f"{node.op} of codes is not read; known are {', '.join(MOVEMENT)}")
    for k, name in enumerate(node.outs):
        r.codes[name] = moved(r, node, x, name, k)


def quantize(r: Reading, node: Node, name: str) -> None:
    """QuantizeLinear: the input's type, or the codes of what was computed."""
    source = node.ins[0]
    zero = node.ins[2] if len(node.ins) > 2 else ""
    fmt = FORMATS.get(r.model.dtypes.get(name, "uint8"), UINT8)
    if source in r.model.constants:
        x = r.numbers(source).astype(np.float32)
        t = r.quantizer(node.ins[1], zero, r.kind(zero) if zero else fmt, x.shape, int(node.attrs.get("axis", 1)))
        r.fixed[name] = encoded(x, t).astype(t.fmt.dtype)
        return
    out = r.out(node.ins[1], zero, fmt)
    e = r.real(source)
    assert e is not None
    r.codes[name] = quantized(r, e, out, name)


def quantized(r: Reading, e: Expression, out: QType, name: str, limits: LIMITS = (None, None)) -> Held:
    """Codes of an expression in type `out` under `name`; `limits` are those of clamps around it."""
    if isinstance(e, Source):
        return r.entry(e.name, out)
    if isinstance(e, Held):
        return e if same_grid(e.value.type, out) else table(r, e, out, name)
    if not isinstance(e, Apply):
        raise Refused("quantizes a constant; store its codes")
    op = e.node.op
    if op in MOVEMENT or op.partition("#")[0] in MOVEMENT:
        return shifted(r, e, out, name)
    e = Apply(e.node, tuple(settled(r, a) for a in e.args))
    if op in ARITHMETIC and all(isinstance(a, Held | Weight) for a in e.args) and not (is_table(e) and wide(e)):
        return ARITHMETIC[op](r, e, out, limits, name)
    if is_table(e):
        return table(r, e, out, name)
    if op in CLAMPS and isinstance(e.args[0], Apply):
        return quantized(r, e.args[0], out, name, clamp(e, out, limits))
    if op not in OPERATIONS:
        raise Refused(
            f"{e.node.where} joins several values in float; quantize its operands (QuantizeLinear, DequantizeLinear)"
        )
    return OPERATIONS[op](r, e, out, limits, name)


def settled(r: Reading, e: Expression | None) -> Expression | None:
    """The same with movements of codes carried out: nothing quantizes them again, so their codes have no name."""
    if not isinstance(e, Apply):
        return e
    if id(e) not in r.settled:
        op, _, k = e.node.op.partition("#")
        made: Expression = Apply(e.node, tuple(settled(r, a) for a in e.args))
        assert isinstance(made, Apply)
        if op in MOVEMENT and isinstance(first := made.args[0], Held):
            at = int(k or 0)
            made = unquantized(
                r, replace(e.node, op=op), first, f"{e.node.outs[min(at, len(e.node.outs) - 1)]}.codes", at
            )
        r.settled[id(e)] = (e, made)
    return r.settled[id(e)][1]


def wide(e: Apply) -> bool:
    """Whether operands have more bits than ONNX Runtime has integer kernels for."""
    return any(isinstance(a, Held) and a.value.type.fmt.bits > 8 for a in e.args)


def shifted(r: Reading, e: Apply, out: QType, name: str) -> Held:
    """A movement of reals is that of their codes; what is not quantized yet is quantized before it moves."""
    op, _, k = e.node.op.partition("#")
    node, first = replace(e.node, op=op), e.args[0]
    if first is None:
        raise Refused(f"{op} lacks an input")
    if op in PASSING:
        return quantized(r, first, out, name)
    same = isinstance(first, Held) and same_grid(first.value.type, out)
    inner = first if same else quantized(r, first, out, f"{name}.{op.lower()}")
    assert isinstance(inner, Held)
    return moved(r, node, inner, name, int(k or 0))


def clamp(e: Apply, out: QType, limits: LIMITS) -> LIMITS:
    """Codes at which a Relu or Clip saturates, inside `limits`."""
    ends: list[float | None] = [0.0, None]
    if e.node.op == "Clip":
        ends = []
        for arg in (*e.args[1:], None, None)[:2]:
            if arg is not None and not isinstance(arg, Number):
                raise Refused("Clip's limits must be constants")
            ends.append(None if arg is None else float(arg.array.reshape(-1)[0]))
    lo, hi = (None if x is None else int(encode(np.asarray(x, np.float64), out.reshaped(()))) for x in ends)
    inside = [v for v in (lo, limits[0]) if v is not None], [v for v in (hi, limits[1]) if v is not None]
    low, high = (max(inside[0]) if inside[0] else None), (min(inside[1]) if inside[1] else None)
    if low is not None and high is not None and low > high:
        raise Refused(f"clips to codes {low}..{high}, which leaves one constant; give it as a constant")
    return low, high
