"""A one-hot code times a matrix is a row of the matrix: an embedding."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..onnx_model import Model, Node

RENAMES = ("Reshape", "Unsqueeze", "Squeeze", "Expand", "Cast", "Identity")


def one_hot_product(model: Model, makers: Mapping[str, Node], end: Node) -> Node | None:
    """``hwsim.embedding`` of the indices with the matrix as table, or None.

    Indices outside the table give 0 in the file; in the front graph they are an error, in hardware the nearest entry.
    """
    if end.op != "MatMul" or end.ins[1] not in model.constants or model.constants[end.ins[1]].ndim != 2:
        return None
    code = behind(makers, end.ins[0], ("Cast", "Identity"))
    node = makers.get(code)
    if node is None or end.ins[0] not in model.shapes:
        return None
    entries = model.shapes[end.ins[0]][-1]
    indices = from_one_hot(model, node, entries) if node.op == "OneHot" else from_equal(model, node, entries)
    count = math.prod(model.shapes[end.ins[0]][:-1])
    source = "" if indices is None else behind(makers, indices, RENAMES)
    if not source or source in model.constants or math.prod(model.shapes.get(source, ())) != count:
        return None
    attrs = {"table": end.ins[1]}
    return Node(op="hwsim.embedding", ins=(source,), outs=end.outs, attrs=attrs, where=end.where)


def behind(makers: Mapping[str, Node], name: str, ops: tuple[str, ...]) -> str:
    """The value that `name` is under other names and shapes."""
    while name in makers and makers[name].op in ops:
        name = makers[name].ins[0]
    return name


def from_equal(model: Model, node: Node, entries: int) -> str | None:
    """Indices of ``indices == 0, 1 .. entries - 1``."""
    if node.op != "Equal":
        return None
    for indices, numbers in (node.ins, node.ins[::-1]):
        c = model.constants.get(numbers)
        counts = c is not None and c.shape[-1:] == (entries,) and np.array_equal(c.reshape(-1), np.arange(entries))
        if counts and model.shapes.get(indices, ())[-1:] == (1,):
            return indices
    return None


def from_one_hot(model: Model, node: Node, entries: int) -> str | None:
    """Indices of the operator, whose values are 0 and 1 on the last axis."""
    depth, values = (model.constants.get(i) for i in node.ins[1:3])
    last = node.attrs.get("axis", -1) in (-1, len(model.shapes[node.outs[0]]) - 1)
    if depth is None or values is None or int(depth.reshape(())) != entries or not last:
        return None
    return node.ins[0] if values.reshape(-1).tolist() == [0, 1] else None
