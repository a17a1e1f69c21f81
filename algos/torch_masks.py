"""Tensors of two numbers, made of inputs of 0 and 1: padding masks on their way to a softmax or a masked mean.

Such a tensor is a front value of 0 and 1 and the numbers that those stand for: ``(1 - m) * -1e9`` is m, with -1e9 for 0
and 0 for 1. It stays one under arithmetic with numbers, comparisons, casts, logic and movement. Two of them, or one and
a constant that has two numbers, make another where one pair of numbers alone differs from the rest: ``a & b``, and the
sum of two masks of minus infinity.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hwsim.front import FrontNode

from .frameworks import torch
from .torch_calls import Call, Refused, is_bookkeeping, op_of, rank_of, result_of, settings, shape_of
from .torch_constants import per_sample

if TYPE_CHECKING:
    from .export import Export

LEAST = -1e4
"""Scores from here down have probability 0."""
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge", "logical_not", "bitwise_not", "logical_and", "bitwise_and",
               "logical_or", "bitwise_or", "logical_xor", "bitwise_xor", "__and__", "__or__", "__xor__")  # fmt: skip
ARITHMETIC = ("add", "sub", "rsub", "mul", "div", "neg", "_to_copy", "alias", "clone", "detach", "lift_fresh_copy")
CHOICES = ("masked_fill", "where", "minimum", "maximum", "clamp", "clamp_min", "clamp_max")
MOVES = ("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "transpose", "permute", "slice", "select")


class Two(NamedTuple):
    """See the module.

    Args:
        value: front value of 0 and 1, or a parameter.
        numbers: what 0 and 1 stand for.
        like: node whose shape `value` has, which may be smaller than the tensor's: expanding waits.
    """

    value: str
    numbers: tuple[float, float]
    like: Any


def is_mask(node: Call) -> bool:
    """Whether an input holds 0 and 1: a bool, integers that no embedding reads, floats that only masks are made of."""
    kind = result_of(node).dtype
    if kind.is_floating_point:
        found = set(ends(node))
        return "mask" in found and "value" not in found
    return kind == torch.bool or not is_index(node)


def is_index(node: Call) -> bool:
    """Whether an embedding reads `node`, after some movement perhaps."""
    return any(op_of(u) == "embedding" or (op_of(u) in (*MOVES, "_to_copy") and is_index(u)) for u in node.users)


def ends(node: Call, least: bool = False) -> Iterator[str]:
    """What becomes of a real tensor: "mask" where a comparison reads it, or a sum after a factor as large as `LEAST`.

    "value" where it is read as any other number; nothing where it may be either: products and sums over axes.
    """
    for user in node.users:
        op, alone = op_of(user), len(user.all_input_nodes) == 1
        if op in COMPARISONS or result_dtype(user) == torch.bool:
            yield "mask"
        elif op in (*MOVES, "expand") or (op in ARITHMETIC and alone) or (op == "masked_fill" and user.args[0] is node):
            numbers = [a for a in user.args if isinstance(a, int | float)] if op not in MOVES else []
            yield from ends(user, least or any(abs(a) >= -LEAST for a in numbers))
        elif op in ("add", "sub") or (op == "scaled_dot_product_attention" and node not in user.args[:3]):
            yield "mask" if least else "value"
        elif op not in ("mul", "sum") and not is_bookkeeping(user):
            yield "value"


def result_dtype(node: Call) -> Any:
    """Dtype of a tensor result, else None."""
    return None if is_bookkeeping(node) else getattr(result_of(node), "dtype", None)


def take_input(e: Export, node: Call, name: str) -> None:
    """An input of 0 and 1."""
    mask = e.unique(f"{name}.mask")
    e.front.nodes.append(FrontNode("mask", (name,), mask))
    e.two[node] = Two(mask, (0.0, 1.0), node)


def carried(e: Export, node: Call) -> bool:
    """Export `node` if it makes another tensor of two numbers, or the sum of one; whether it did."""
    op = op_of(node)
    tensors = [n for n in node.all_input_nodes if not is_bookkeeping(n)]
    if not all(n in e.two or n in e.numbers or n in e.repeated for n in tensors):
        return False
    if op in (*COMPARISONS, *ARITHMETIC, *CHOICES):
        combined(e, node, tensors)
    elif op == "expand":
        e.sample_shape(node)
        e.two[node] = e.two[tensors[0]] if rank_of(tensors[0]) == rank_of(node) else refuse_rank(node)
    elif op in MOVES:
        moved(e, node, tensors[0])
    else:
        return False
    return True


def refuse_rank(node: Call) -> Two:
    """A mask that gets more axes by expanding."""
    raise Refused(f"a mask gets new axes, ({', '.join(shape_of(node))}); unsqueeze first")


def combined(e: Export, node: Call, tensors: list[Call]) -> None:
    """Element by element: what the operation makes of each combination of numbers."""
    e.sample_shape(node)
    choices: dict[Call, list[Any]] = {}
    sides: dict[str, tuple[Call, Two | torch.Tensor]] = {}
    for n in tensors:
        two = e.two[n] if n in e.two else fixed(e, n, rank_of(node))
        numbers = two.numbers if isinstance(two, Two) else torch.unique(capped(two)).tolist()
        if len(numbers) > 2:
            raise Refused(f"{n.name!r} has {len(numbers)} numbers; beside a mask a constant may have two")
        choices[n] = list(numbers)
        if len(set(numbers)) == 2:
            sides.setdefault(two.value if isinstance(two, Two) else n.name, (n, two))
    keys = list(sides)
    if len(keys) > 2:
        raise Refused("three masks at once; combine two at a time")
    cells = {}
    for bits in product((0, 1), repeat=len(keys)):
        at = dict(zip(keys, bits, strict=True))
        cells[bits] = applied(e, node, {n: picked(e, n, choices[n], at) for n in tensors})
    if not keys:
        like = e.two[next(n for n in tensors if n in e.two)]
        e.two[node] = Two(like.value, (cells[()], cells[()]), grown(node, like.like))
        return
    if len(keys) == 1:
        ((n, two),) = sides.values()
        assert isinstance(two, Two)
        e.two[node] = Two(two.value, (cells[0,], cells[1,]), grown(node, two.like))
        return
    join(e, node, list(sides.values()), cells)


def grown(node: Call, like: Call) -> Call:
    """`like`, where its value broadcasts to the shape of `node`."""
    if rank_of(like) != rank_of(node):
        refuse_rank(node)
    return like


def picked(e: Export, n: Call, numbers: list[Any], at: dict[str, int]) -> Any:
    """The number of tensor `n` in a combination."""
    key = e.two[n].value if n in e.two else n.name
    return torch.tensor(numbers[at.get(key, 0)]).to(result_of(n).dtype)


def fixed(e: Export, n: Call, rank: int) -> torch.Tensor:
    """A constant without batch axis."""
    return per_sample(e, n, rank) if rank_of(n) else e.numbers[n]


def capped(x: torch.Tensor) -> torch.Tensor:
    """Everything below `LEAST` as minus infinity."""
    return torch.where(x <= LEAST, -torch.inf, x) if x.is_floating_point() else x


def applied(e: Export, node: Call, numbers: dict[Call, torch.Tensor]) -> float:
    """What `node` makes of one number for each of its tensors."""
    args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), lambda n: numbers.get(n, 1))
    y = float(node.target(*args, **kwargs))
    return -np.inf if y <= LEAST and result_of(node).is_floating_point() else y


def join(e: Export, node: Call, sides: list[tuple[Call, Any]], cells: dict[tuple[int, ...], float]) -> None:
    """Two tensors of two numbers in one, where one combination differs from the other three."""
    odd = [bits for bits, y in cells.items() if sum(y == other for other in cells.values()) == 1]
    if len(odd) != 1 or len(set(cells.values())) != 2:
        raise Refused(f"two masks make {len(set(cells.values()))} numbers of {sorted(set(cells.values()))}; use &")
    (bits,) = odd
    literals = sorted((literal(e, node, *side, bit) for side, bit in zip(sides, bits, strict=True)), key=is_param(e))
    value = made(e, node, "masked", *literals)
    rest = next(y for b, y in cells.items() if b != bits)
    e.two[node] = Two(value, (rest, cells[bits]), node)


def is_param(e: Export) -> Any:
    """Sorts values before parameters."""
    return lambda name: name in e.front.params


def literal(e: Export, node: Call, n: Call, two: Any, bit: int) -> str:
    """A front value (or parameter) that is 1 where a tensor has its number `bit`."""
    if isinstance(two, Two):
        name = whole(e, node, n)
        return name if bit else made(e, node, "not", name, like=n)
    low = torch.unique(capped(two))[bit]
    keep = capped(two) == low
    return e.constant(node, "mask", keep.expand(keep.shape[-rank_of(node) + 1 :]), of="masked")


def whole(e: Export, node: Call, n: Call) -> str:
    """The value of 0 and 1 of a tensor, in the tensor's own shape."""
    two = e.two[n]
    if shape_of(two.like) == shape_of(n):
        return two.value
    return made(e, node, "expand", two.value, shape=list(e.sample_shape(n)))


def made(e: Export, node: Call, op: str, *ins: str, like: Any = None, **attrs: Any) -> str:
    """A front node, once for equal ones."""
    key = (op, ins, str(attrs))
    if key not in e.made:
        before = e.env.get(node)
        e.made[key] = e.emit(node, op, *ins, **attrs)
        e.env.pop(node) if before is None else e.env.update({node: before})
    return e.made[key]


def moved(e: Export, node: Call, x: Call) -> None:
    """Movement of the value of 0 and 1, by the exporter for any value."""
    from .torch_ops import OPS

    two = e.two[x]
    e.env[x] = whole(e, node, x)
    e.counts.add(x)
    del e.two[x]
    try:
        OPS[node.target](e, node)
    finally:
        e.two[x] = two
        del e.env[x]
        e.counts.discard(x)
    e.two[node] = Two(e.env.pop(node), two.numbers, node)


def keep_of(e: Export, node: Call, x: Call, number: Any) -> str:
    """The value that is 1 where `x` has a number for which `number` holds: exactly one of its two."""
    low, high = (bool(number(n)) for n in e.two[x].numbers)
    if low == high:
        raise Refused(
            f"mask {x.name!r} is {e.two[x].numbers[0]:g} or {e.two[x].numbers[1]:g}: it leaves out all or nothing"
        )
    value = e.two[x].value
    return value if high else made(e, node, "not", value)


def real(e: Export, x: Call, *, integers: bool) -> str:
    """The tensor as a value like any other; of 0 and 1 where it is none of reals, and `integers` will do."""
    two = e.two[x]
    if not result_of(x).is_floating_point() and not (integers and two.numbers == (0.0, 1.0)):
        raise Refused(f"{x.name!r} is {result_of(x).dtype}; only an embedding takes integers, give floats")
    if not np.isfinite(two.numbers).all():
        raise Refused(f"{x.name!r} is minus infinity, or as good as that, somewhere; only a softmax may read it")
    name, (low, high) = whole(e, x, x), two.numbers
    if (low, high) == (1.0, 0.0):
        return made(e, x, "not", name)
    if high - low != 1:
        name = made(e, x, "mul", name, e.constant(x, "step", np.asarray(high - low)))
    return name if low == 0 else made(e, x, "add", name, e.constant(x, "low", np.asarray(low)))


def times(e: Export, node: Call, x: Call, mask: Call) -> bool:
    """Export ``x * mask`` where one of the mask's numbers is 0; whether it is."""
    low, high = e.two[mask].numbers
    if (low == 0) == (high == 0):
        return False
    keep = keep_of(e, node, mask, lambda number: number != 0)
    name = e.emit(node, "masked", e.value(x), keep)
    if low + high != 1:
        e.emit(node, "mul", name, e.constant(node, "number", np.asarray(low + high)))
    return True


def summed(e: Export, node: Call) -> None:
    """Sum over axes, of a value or of how many a mask keeps; a reshape after it where torch drops them."""
    from .torch_calls import axis_of, inner_size

    s = settings(node)
    x = s["self"]
    axes = sorted({axis_of(x, a) for a in (s["dim"] if s.get("dim") else range(rank_of(x)))})
    for axis in axes:
        inner_size(x, axis)
    shape = list(e.sample_shape(node))
    if x not in e.two or e.two[x].numbers != (0.0, 1.0):
        y = e.emit(node, "sum", e.value(x), axes=axes)
    else:
        like = shape_of(e.two[x].like)
        spread = any(like[a] != shape_of(x)[a] for a in axes)
        y = e.emit(node, "sum", whole(e, node, x) if spread else e.two[x].value, axes=axes)
        e.counts.add(node)
        kept = [1 if a in axes else int(n) for a, n in enumerate(shape_of(x) if spread else like) if a]
        if not s["keepdim"]:
            kept = [n for a, n in enumerate(kept, 1) if a not in axes]
            y = e.emit(node, "reshape", y, shape=kept)
        if kept != shape:
            e.emit(node, "expand", y, shape=shape)
        return
    if not s["keepdim"]:
        e.emit(node, "reshape", y, shape=shape)


__all__ = ["LEAST", "Two", "carried", "is_mask", "keep_of", "real", "summed", "take_input", "times"]
