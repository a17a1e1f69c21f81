"""softmax over any axis, and the constant masks before it.

A mask emits nothing: what it keeps waits in `Import.masked` for the softmax that reads it.
"""

from __future__ import annotations

import numpy as np

from ..onnx_model import Node
from .importer import Array, Import, Refused

LEAST = -1e4
"""A number so low that exp of it is 0 beside any other score."""
SOFT = ("Softmax",)


def softmax(e: Import, node: Node) -> None:
    """Softmax or log-softmax over any axis but the batch."""
    x = node.ins[0]
    axis, rank = e.axis(x, node.attrs.get("axis", -1)), e.rank(x)
    op = "softmax" if node.op == "Softmax" else "log_softmax"
    if x in e.masked:
        value, keep = e.masked[x]
        if axis != rank - 1 or op != "softmax":
            raise Refused(f"{node.op} over axis {axis} with a mask; only softmax over the last axis has masks")
        if not np.broadcast_to(keep, e.shape(x)).any(-1).all():
            raise Refused("its mask leaves nothing in a row; keep one position at least")
        e.emit(node, op, value, e.param(node.outs[0], keep, suffix="mask"))
    elif axis == rank - 1:
        e.emit(node, op, e.value(x))
    else:
        perm = list(range(rank))
        perm[axis], perm[-1] = perm[-1], perm[axis]
        turned = e.emit(node, "transpose", e.value(x), part="rows", perm=perm)
        y = e.emit(node, op, turned, part="columns")
        e.emit(node, "transpose", y, perm=perm)


def feeds_softmax(e: Import, name: str) -> bool:
    """Whether softmax alone reads a value."""
    readers = e.readers.get(name, [])
    return bool(readers) and all(n.op in SOFT for n in readers) and name not in e.model.outputs


def mask_added(e: Import, node: Node) -> bool:
    """``scores + mask`` with a constant of 0 and of numbers below `LEAST`; whether it is one."""
    if len(node.ins) != 2 or not feeds_softmax(e, node.outs[0]):
        return False
    a, b = node.ins[::-1] if e.is_constant(node.ins[0]) else node.ins
    if not e.is_constant(b):
        return False
    mask = e.per_sample(b, e.rank(node.outs[0]))
    low = mask <= LEAST
    if not low.any() or (mask[~low] != 0).any():
        return False
    waiting(e, node, a, ~low)
    return True


def where(e: Import, node: Node) -> None:
    """One of scores and minus infinity, by a constant."""
    condition = e.numbers(node, 0, "condition (only constant masks of a softmax are supported)")
    yes, no = node.ins[1:]
    x, fill = (no, yes) if e.is_constant(yes) else (yes, no)
    if not e.is_constant(fill) or not (e.model.constants[fill] <= LEAST).all() or not feeds_softmax(e, node.outs[0]):
        raise Refused("only minus infinity (-1e4 or less), right before a softmax, is supported")
    chosen = e.per_sample(node.ins[0], e.rank(node.outs[0])) if condition.size > 1 else condition.reshape(())
    waiting(e, node, x, chosen.astype(bool) if x == yes else ~chosen.astype(bool))


def waiting(e: Import, node: Node, x: str, keep: Array) -> None:
    """The scores with what is kept of them."""
    if e.shape(x) != e.shape(node.outs[0]):
        raise Refused(f"its mask broadcasts scores of shape {e.shape(x)}; expand them")
    e.masked[node.outs[0]] = e.value(x), np.asarray(keep, np.float32)
