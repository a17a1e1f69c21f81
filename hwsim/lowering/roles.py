"""What a value is for decides what type it may have: the residual stream, operands of products, probabilities.

wide           what a norm or a softmax reads, and through sums and movement what flows into that: the residual stream;
               what a narrow copy with a gain reads
symmetric      first operands of products of two values: their zero point must be 0, nothing can fold it; all values
               where the recipe names an accumulator: a zero point folded into the bias could fill it
probabilities  results of softmax: unsigned, at most 1 / keys a step
arguments      what a function with a fitted table reads: a power of two a step, zero point 0
operands       copies that layers and products read in a format of their own, see `hwsim.lowering.operands`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..blockformats import BlockFormat, weight_format_named
from ..formats import INT16, UINT16, IntFormat, format_named
from ..front import FrontGraph, FrontNode, Mark
from ..front_ops import UNARY
from ..observers import Range, activation_type, pow2_up
from ..qtensor import QType, Shape
from ..recipe import Recipe
from ..tables import Table

NORMS = ("layer_norm", "rms_norm")
READERS = (*NORMS, "softmax", "log_softmax")
MOVES = ("reshape", "transpose", "slice", "expand", "masked", "max_pool1d", "max_pool2d")  # the input's type stays
SHORT = {"hardswish": "hswish", "hardsigmoid": "hsigmoid"}
HEADROOM = 2.0  # Why: a residual stream that saturates loses the row; one bit of 16 loses nothing


@dataclass(frozen=True)
class Roles:
    """Names of a front graph's values by role; a value may have several or none."""

    wide: frozenset[str]
    symmetric: frozenset[str]
    probabilities: frozenset[str]
    arguments: Mapping[str, frozenset[str]] = field(default_factory=dict)  # of which functions
    operands: Mapping[str, str] = field(default_factory=dict)  # in which format

    def type(self, value: str, shape: Shape, r: Recipe, seen: Range | None, mark: Mark | None = None) -> QType:
        """The quantized type of a value of `shape` by its recipe: from its mark, else from the range it was seen in."""
        if value in self.probabilities:
            return probability_type(shape, r, seen, mark)
        wide, tables = value in self.wide, self.tables(value, r)
        fmt, blocks = format_named(r.residual if wide else r.activations), False
        if value in self.operands:
            named = weight_format_named(self.operands[value])
            fmt, blocks, wide = (INT16, True, False) if isinstance(named, BlockFormat) else (named, False, False)
        if mark:
            axis = len(shape) - 1 if isinstance(mark.scale, tuple) else None
            return QType(shape, fmt, mark.scale, mark.zero_point, axis)
        if seen is None:
            raise ValueError(f"value {value!r} has no calibration range")
        if wide and fmt.bits >= 16:
            seen = HEADROOM * seen[0], HEADROOM * seen[1]
        symmetric = r.symmetric or bool(r.accumulator) or wide or value in self.symmetric or bool(tables) or blocks
        powers = r.powers_of_two or bool(tables) or blocks
        t = activation_type(shape, fmt, seen, symmetric=symmetric, power_of_two=powers)
        return stepped(value, t, tables) if tables else t

    def tables(self, value: str, r: Recipe) -> list[Table]:
        """The fitted tables that read a value."""
        return [r.tables[name] for name in sorted(self.arguments.get(value, ())) if name in r.tables]


def shared_steps(tables: list[Table]) -> list[int]:
    """Exponents n of the steps ``2**-n`` that all of some tables have, coarsest first."""
    return sorted(set.intersection(*(set(table.scales) for table in tables))) if tables else []


def stepped(value: str, t: QType, tables: list[Table]) -> QType:
    """`t` with the finest step that is no finer than its own and that all tables have."""
    shared = shared_steps(tables)
    exponents = [n for n in shared if 2.0**-n >= float(np.max(t.scale))]
    if not exponents:
        names, coarsest = ", ".join(table.function for table in tables), min(shared, default=0)
        raise ValueError(
            f"value {value!r} needs steps of {float(np.max(t.scale)):g} in {t.fmt.name}; the coarsest of the table of "
            f"{names} is 2**-{coarsest}: clip it (observer), widen it and fit for INT16, or leave the table out"
        )
    return replace(t, scale=2.0 ** -max(exponents))


def find_roles(front: FrontGraph) -> Roles:
    """Every value's roles."""
    gained = [n.ins[0] for n in front.nodes if n.op == "identity" and len(n.ins) > 1]
    return Roles(
        wide=sources(front, starts=[*first_inputs(front, *READERS), *gained], through=(*MOVES, "concat", "add")),
        symmetric=sources(front, starts=first_inputs(front, "matmul"), through=(*MOVES, "concat")),
        probabilities=frozenset(n.out for n in front.nodes if n.op == "softmax"),
        arguments=arguments(front),
        operands={n.out: n.attrs["operand"] for n in front.nodes if "operand" in n.attrs},
    )


def arguments(front: FrontGraph) -> dict[str, frozenset[str]]:
    """Values that functions read, by way of movement perhaps, and which functions."""
    found: dict[str, frozenset[str]] = {}
    for node in front.nodes:
        if node.op in UNARY:
            for value in sources(front, node.ins[:1], through=(*MOVES, "concat")):
                found[value] = found.get(value, frozenset()) | {function_of(node)}
    return found


def function_of(node: FrontNode) -> str:
    """What the table of a node's function is called."""
    name = SHORT.get(node.op, node.op)
    return f"{name}_tanh" if node.attrs.get("approximate") == "tanh" else name


def first_inputs(front: FrontGraph, *ops: str) -> list[str]:
    """What nodes of these operations read first."""
    return [n.ins[0] for n in front.nodes if n.op in ops]


def sources(front: FrontGraph, starts: Iterable[str], through: tuple[str, ...]) -> frozenset[str]:
    """`starts`, and all values that flow into them through nodes of these operations."""
    makers = {n.out: n for n in front.nodes}
    found: set[str] = set()
    todo = [name for name in starts if name not in front.params]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        if name in makers and makers[name].op in through:
            todo += [i for i in makers[name].ins if i not in front.params]
    return frozenset(found)


def probability_type(shape: Shape, r: Recipe, seen: Range | None, mark: Mark | None) -> QType:
    """Unsigned, as wide as the activations: 8 bits and more cover [0, 1), fewer cover what was seen."""
    keys, bits = int(shape[-1]), min(format_named(r.activations).bits, 16)
    if bits >= 8 and keys > 1 << bits:
        bits = 16
    fmt = UINT16 if bits == 16 else format_named(f"uint{bits}")
    assert isinstance(fmt, IntFormat)
    scale = 2.0**-bits if bits >= 8 else min((seen or (0, 1))[1] / fmt.max_int, 1 / keys)
    if mark:
        assert isinstance(mark.scale, float)  # activations are per tensor
        scale = min(mark.scale, 1 / keys)
    if r.powers_of_two:
        scale = pow2_up(scale)
        scale = scale / 2 if scale * keys > 1 else scale
    return QType(shape, fmt, scale)
