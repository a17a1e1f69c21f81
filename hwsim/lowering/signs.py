"""Signs move into the parameters that multiply behind them: no value is rounded once more only to be negated.

(x * s) * p              ->  x * (s * p)                                   and (x * p) * s
concat(x * s, y) * p     ->  concat(x, y) * (signs of the parts * p)       ``rotate_half(x) * sin`` of Hugging Face

s is 1 and -1 alone, so no number changes. A concat that carries no signs any more has another name, for it is another
value: ``concat.unsigned``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from ..front import FrontGraph, FrontNode
from ..front_ops import Floats
from .operands import free


def fold_signs(front: FrontGraph) -> FrontGraph:
    """See the module; values that nobody reads any more vanish."""
    signs = Signs(front)
    for node in front.nodes:
        if node.op == "concat":
            signs.joined(node)
    for node in front.nodes:
        if node.op == "mul":
            signs.product(node)
    kept = [signs.nodes[n.out] for n in front.nodes if n.out in signs.nodes]
    read = {i for n in kept for i in n.ins}
    return replace(front, nodes=kept, params={k: p for k, p in signs.params.items() if k in read})


def factors(params: Mapping[str, Floats], node: FrontNode | None) -> tuple[str, str] | None:
    """Names of the value and of the parameter that `node` multiplies; None for everything else."""
    if node is None or node.op != "mul" or (node.ins[0] in params) == (node.ins[1] in params):
        return None
    return (node.ins[0], node.ins[1]) if node.ins[1] in params else (node.ins[1], node.ins[0])


class Signs:
    """What is folded so far: `nodes` by the value that they made at first, and parameters, new ones among them."""

    def __init__(self, front: FrontGraph) -> None:
        """Nothing is."""
        self.front, self.params = front, dict(front.params)
        self.nodes = {n.out: n for n in front.nodes}
        self.taken = {*front.inputs, *front.params, *self.nodes}
        self.made: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.readers: dict[str, list[FrontNode]] = {}
        for node in front.nodes:
            for i in dict.fromkeys(node.ins):
                self.readers.setdefault(i, []).append(node)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of a sample of every value; most models need none."""
        return self.front.shapes()

    def joined(self, node: FrontNode) -> None:
        """Signs of a concat's parts, where parameters multiply whatever reads it."""
        readers, found = self.readers.get(node.out, []), [self.sign(i, node) for i in node.ins]
        inner = node.out not in self.front.outputs
        if not any(found) or not inner or not all(factors(self.params, r) for r in readers):
            return
        axis, ins, parts = node.attrs["axis"] - 1, [], []
        for i, sign in zip(node.ins, found, strict=True):
            value, s = sign or (i, 1.0)
            shape = self.params[i].shape if i in self.params else self.shapes[i]
            ins.append(value)
            parts.append(np.full((shape[axis], *[1] * (len(shape) - axis - 1)), s, np.float32))
            if sign:
                self.nodes.pop(i, None)
        new = free(f"{node.out}.unsigned", self.taken)
        self.nodes[node.out] = replace(node, ins=tuple(ins), out=new)
        for reader in readers:
            self.multiply(reader, new, next(i for i in reader.ins if i in self.params), np.concatenate(parts))

    def sign(self, value: str, reader: FrontNode) -> tuple[str, float] | None:
        """Of what, and by which sign, `value` is made for `reader` alone."""
        found = factors(self.params, self.nodes.get(value))
        if not found or not self.alone(value, reader):
            return None
        s = self.params[found[1]]
        return (found[0], float(s.reshape(-1)[0])) if s.size == 1 and s.ndim <= 1 and is_signs(s) else None

    def product(self, node: FrontNode) -> None:
        """Signs of a value that a parameter multiplies."""
        while outer := factors(self.params, self.nodes.get(node.out)):
            inner = factors(self.params, self.nodes.get(outer[0]))
            if not inner or not self.alone(outer[0], node):
                return
            signs, name = (inner[1], outer[1]) if is_signs(self.params[inner[1]]) else (outer[1], inner[1])
            if not is_signs(self.params[signs]):
                return
            del self.nodes[outer[0]]
            self.multiply(node, inner[0], name, self.params[signs])

    def alone(self, value: str, reader: FrontNode) -> bool:
        """Whether nobody else sees `value`."""
        return self.readers.get(value) == [reader] and value not in self.front.outputs

    def multiply(self, node: FrontNode, value: str, name: str, signs: Floats) -> None:
        """Let `node` multiply `value` by the parameter `name` times `signs`; equal products are one parameter."""
        key = name, signs.shape, signs.tobytes()
        if key not in self.made:
            self.made[key] = free(f"{name}.signed", self.taken)
            self.params[self.made[key]] = self.params[name] * signs
        self.nodes[node.out] = replace(self.nodes[node.out], ins=(value, self.made[key]))


def is_signs(p: Floats) -> bool:
    """Whether `p` is 1 and -1 alone."""
    return bool((np.abs(p) == 1).all())
