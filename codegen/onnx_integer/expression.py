"""What stands between DequantizeLinear and QuantizeLinear: reals known by their codes, and what is made of them.

QDQ and QOperator models become the same expressions: a ``QLinearConv`` is a Conv of dequantized operands, quantized.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hwsim.graph import Value
from hwsim.lowering.layout import PLAIN
from hwsim.qtensor import QTensor

from ..onnx_model import Node


@dataclass(frozen=True, eq=False)
class Held:
    """Reals whose codes are a value of the graph.

    Args:
        value: the codes.
        shape: of one sample, in ONNX's order of axes.
        layout: how the graph lays them out, see `hwsim.lowering.layout`.
    """

    value: Value
    shape: tuple[int, ...]
    layout: str = PLAIN


@dataclass(frozen=True, eq=False)
class Source:
    """An input in float, which its first quantizer gives a type; it may move before that."""

    name: str


@dataclass(frozen=True, eq=False)
class Weight:
    """A constant that has codes."""

    tensor: QTensor


@dataclass(frozen=True, eq=False)
class Steps:
    """Integers in steps of an accumulator: the bias of a QOperator layer."""

    codes: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Number:
    """A constant in float."""

    array: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Apply:
    """An operation on reals that nothing has quantized yet; `args` holds None for an absent input."""

    node: Node
    args: tuple[Expression | None, ...]


Expression = Held | Source | Weight | Steps | Number | Apply


def leaves(e: Expression | None) -> Iterator[Held | Source | Weight | Steps | Number]:
    """Everything that an expression is made of, operands in order."""
    if isinstance(e, Apply):
        for arg in e.args:
            yield from leaves(arg)
    elif e is not None:
        yield e
