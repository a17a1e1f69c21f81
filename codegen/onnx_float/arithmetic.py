"""Sums, differences, products and quotients of values and constants, broadcasting."""

from __future__ import annotations

import numpy as np

from ..onnx_model import Node
from .importer import Import, Refused
from .scores import mask_added


def pair(e: Import, node: Node) -> tuple[str, str]:
    """Both inputs; two values must have as many axes."""
    if len(node.ins) != 2:
        raise Refused(f"{len(node.ins)} inputs; two are supported")
    a, b = node.ins
    e.shape(node.outs[0])
    if not e.is_constant(a) and not e.is_constant(b) and e.rank(a) != e.rank(b):
        raise Refused(f"samples of shapes {e.shape(a)} and {e.shape(b)}; unsqueeze to as many axes")
    return a, b


def add(e: Import, node: Node) -> None:
    """``a + b``; a mask of a softmax waits for it."""
    if mask_added(e, node):
        return
    a, b = pair(e, node)
    a, b = (b, a) if e.is_constant(a) else (a, b)
    e.emit(node, "add", e.value(a), e.operand(b, e.rank(node.outs[0])))


def mul(e: Import, node: Node) -> None:
    """``a * b``."""
    a, b = pair(e, node)
    a, b = (b, a) if e.is_constant(a) else (a, b)
    e.emit(node, "mul", e.value(a), e.operand(b, e.rank(node.outs[0])))


def sub(e: Import, node: Node) -> None:
    """``a - b`` as ``a + -1 * b``."""
    a, b = pair(e, node)
    rank = e.rank(node.outs[0])
    if e.is_constant(b):
        e.emit(node, "add", e.value(a), e.operand(b, rank, np.negative, "negative"))
        return
    negative = e.emit(node, "mul", e.value(b), minus_one(e, node), part="negative")
    if e.is_constant(a):
        e.emit(node, "add", negative, e.operand(a, rank))
    else:
        e.emit(node, "add", e.value(a), negative)


def neg(e: Import, node: Node) -> None:
    """``-x``."""
    e.emit(node, "mul", e.value(node.ins[0]), minus_one(e, node))


def minus_one(e: Import, node: Node) -> str:
    """The number, as a parameter."""
    return e.param(node.outs[0], np.asarray(-1.0), suffix="minus_one")


def div(e: Import, node: Node) -> None:
    """``x / number`` as ``x * (1 / number)``, or a quotient of two values."""
    a, b = pair(e, node)
    if e.is_constant(a):
        raise Refused("a constant divided by a value is not supported, but in norms and softmax")
    if not e.is_constant(b):
        e.emit(node, "div", e.value(a), e.value(b), least=0.0)
        return
    if not e.model.constants[b].all():
        raise Refused("division by 0")
    inverse = e.operand(b, e.rank(node.outs[0]), lambda x: 1 / x.astype(np.float64), "reciprocal")
    e.emit(node, "mul", e.value(a), inverse)


def power(e: Import, node: Node) -> None:
    """``x ** 2`` as ``x * x``."""
    exponent = e.numbers(node, 1, "exponent")
    if exponent.size != 1 or float(exponent.reshape(())) != 2:
        raise Refused(f"exponent {exponent.reshape(-1)[:1]}; only squares are supported")
    x = e.value(node.ins[0])
    e.emit(node, "mul", x, x)
