"""Layers with parameters: products, norms, embeddings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..onnx_model import Node
from .importer import Import, Refused


def gemm(e: Import, node: Node) -> None:
    """``alpha * x @ weight + beta * bias``."""
    a = node.attrs
    weight = e.numbers(node, 1, "weight")
    if a.get("transA"):
        raise Refused("transA takes the batch off axis 0; transpose before")
    weight = weight if a.get("transB") else weight.T
    alpha, beta = float(a.get("alpha", 1.0)), float(a.get("beta", 1.0))
    plain = bool(a.get("transB")) and alpha == 1
    name = e.param(node.ins[1]) if plain else e.param(node.ins[1], alpha * weight, suffix="turned")
    ins = [e.value(node.ins[0]), name]
    if e.has(node, 2):
        bias = e.numbers(node, 2, "bias")
        full = np.broadcast_to(beta * e.per_sample(node.ins[2], 2) if bias.size else bias, (len(weight),))
        unchanged = beta == 1 and bias.shape == full.shape
        ins.append(e.param(node.ins[2]) if unchanged else e.param(node.ins[2], full, suffix="bias"))
    e.emit(node, "linear", *ins)


def matmul(e: Import, node: Node) -> None:
    """``a @ b`` of two values, or a linear layer where b is a matrix."""
    a, b = node.ins
    if e.is_constant(a):
        raise Refused("a constant times a value; put the value first and transpose")
    x = e.value(a)
    if e.is_constant(b):
        weight = e.model.constants[b]
        weight = weight.reshape(weight.shape[-2:]) if weight.ndim > 2 and math.prod(weight.shape[:-2]) == 1 else weight
        if weight.ndim != 2:
            raise Refused(f"a constant of shape {weight.shape}; a matrix (in, out) is supported")
        e.emit(node, "linear", x, e.param(b, weight.T, suffix="turned"))
        return
    shapes = e.shape(a), e.shape(b)
    if min(len(s) for s in shapes) < 2 or shapes[0][:-2] != shapes[1][:-2]:
        raise Refused(
            f"samples of shapes {shapes[0]} and {shapes[1]}; all sizes but the last two must be equal, expand"
        )
    e.emit(node, "matmul", x, e.value(b), gain=1.0)


def batch_norm(e: Import, node: Node) -> None:
    """With stored statistics."""
    if node.attrs.get("training_mode"):
        raise Refused("is in training mode; export the model in eval mode")
    for at, what in enumerate(("scale", "bias", "mean", "variance"), 1):
        e.numbers(node, at, what)
    ins = [e.param(i) for i in node.ins[1:5]]
    e.emit(node, "batch_norm", e.value(node.ins[0]), *ins, eps=float(node.attrs.get("epsilon", 1e-5)))


def layer_norm(e: Import, node: Node) -> None:
    """The operator, over the last axes from ``axis``; several are one in between."""
    if any(o in e.readers for o in node.outs[1:]):
        raise Refused("somebody reads its mean or deviation; only the result is supported")
    x, axis = node.ins[0], e.axis(node.ins[0], node.attrs.get("axis", -1))
    shape = e.shape(x)
    rest, size = shape[: axis - 1], math.prod(shape[axis - 1 :])
    weight, bias = (spread(e, node, at, shape[axis - 1 :]) if e.has(node, at) else None for at in (1, 2))
    value, several = e.value(x), axis < e.rank(x) - 1
    if several:
        value = e.emit(node, "reshape", value, part="rows", shape=[*rest, size])
    centred = node.op == "LayerNormalization"
    eps = float(node.attrs.get("epsilon", 1e-5))
    y = normed(e, node, value, centred, eps, weight, bias, part="norm" if several else "")
    if several:
        e.emit(node, "reshape", y, shape=list(shape))


def spread(e: Import, node: Node, at: int, sizes: tuple[int, ...]) -> Any:
    """A scale or bias for all of the last axes."""
    e.numbers(node, at, ("", "scale", "bias")[at])
    return np.broadcast_to(e.per_sample(node.ins[at], len(sizes) + 1), sizes).reshape(-1)


def normed(e: Import, node: Node, x: str, centred: bool, eps: float, weight: Any, bias: Any, part: str = "") -> str:
    """Emit a norm over the last axis; an RMS norm's bias is a sum."""
    y, ins = node.outs[0], [x]
    if weight is None and bias is not None and centred:
        weight = np.ones_like(bias)
    if weight is not None:
        ins.append(e.param(y, weight, suffix="weight"))
    if centred:
        ins += [] if bias is None else [e.param(y, bias, suffix="bias")]
        return e.emit(node, "layer_norm", *ins, part=part, eps=eps)
    if bias is None:
        return e.emit(node, "rms_norm", *ins, part=part, eps=eps)
    inner = e.emit(node, "rms_norm", *ins, part="norm", eps=eps)
    return e.emit(node, "add", inner, e.param(y, bias, suffix="bias"), part=part)


def norm(e: Import, node: Node) -> None:
    """What `norms` has recognised, over any axis but the batch."""
    a, x = node.attrs, node.ins[0]
    rank, axis = e.rank(x), e.axis(x, a["axis"])
    weight = None if (a["weight"] == 1).all() else a["weight"]
    bias = None if not a["bias"].any() else a["bias"]
    perm = [*(i for i in range(rank) if i != axis), axis]
    turned, value = axis != rank - 1, e.value(x)
    if turned:
        value = e.emit(node, "transpose", value, part="rows", perm=perm)
    y = normed(e, node, value, a["centred"], a["eps"], weight, bias, part="columns" if turned else "")
    if turned:
        e.emit(node, "transpose", y, perm=[int(i) for i in np.argsort(perm)])


def one_hot(e: Import, node: Node) -> None:
    """What `onehot` has recognised: rows of a table."""
    lookup(e, node, node.ins[0], node.attrs["table"])


def lookup(e: Import, node: Node, indices: str, table: str) -> None:
    """Emit an embedding, in the shape that the node has."""
    x, shape = e.value(indices, integers=True), e.shape(node.outs[0])
    if shape[:-1] == e.shape(indices):
        e.emit(node, "embedding", x, e.param(table))
    else:
        y = e.emit(node, "embedding", x, e.param(table), part="rows")
        e.emit(node, "reshape", y, shape=list(shape))
