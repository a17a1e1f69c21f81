"""Products of values, softmax, its masks and attention of torch in the front graph.

A mask is a constant, or made of inputs of 0 and 1 (`torch_masks`). ``scores + mask``, ``masked_fill`` and ``where``
with minus infinity, or a number as good as that, emit nothing: what they keep waits in `Export.masked` for the softmax
that reads it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .frameworks import torch
from .torch_calls import (
    Call,
    Refused,
    axis_of,
    inner_size,
    is_bookkeeping,
    op_of,
    operands,
    rank_of,
    result_of,
    settings,
    shape_of,
)
from .torch_constants import per_sample
from .torch_masks import LEAST, keep_of
from .torch_movement import repeated
from .torch_multihead import LENGTHS

if TYPE_CHECKING:
    from .export import Export

Tensor = torch.Tensor
MASKS = f"{LENGTHS}; give a constant mask, or one made of inputs of 0 and 1"
ON_THE_WAY = ("add", "sub", "masked_fill", "where", "alias", "clone", "detach", "_to_copy")


class Keep(NamedTuple):
    """What a mask keeps: where `fixed`, without batch axis, and all `values` of 0 and 1 are true."""

    fixed: Tensor
    values: tuple[str, ...] = ()

    def __and__(self, other: Keep) -> Keep:
        """What both keep."""
        return Keep(self.fixed & other.fixed, tuple(dict.fromkeys((*self.values, *other.values))))


EVERYTHING = Keep(torch.ones((), dtype=torch.bool))


def matmul(e: Export, node: Call) -> None:
    """``a @ b`` of two values, or a linear layer where b is a parameter."""
    a, b = operands(node)[:2]
    if e.is_constant(a):
        raise Refused("a parameter times a value; put the value first: (x.mT @ parameter.mT).mT")
    if e.is_constant(b):
        product(e, node, a, b)
        return
    ins = e.value(a), e.value(b)
    e.sample_shape(node)
    if rank_of(a) < 3 or shape_of(a)[:-2] != shape_of(b)[:-2]:
        shapes = " and ".join(f"({', '.join(shape_of(x))})" for x in (a, b))
        raise Refused(f"shapes {shapes}; all sizes but the last two must be equal, use expand")
    e.emit(node, "matmul", *ins, gain=1.0)


def product(e: Export, node: Call, x: Call, weight: Call, *bias: str) -> None:
    """``x @ weight + bias`` as linear, whose weight is (out, in)."""
    e.value(weight) if weight in e.repeated else e.stored(weight)
    if rank_of(weight) != 2:
        raise Refused(f"a parameter of shape ({', '.join(shape_of(weight))}); a matrix (in, out) is supported")
    turned = next((n for n in weight.all_input_nodes if n in e.numbers and rank_of(n) == 2), None)
    if turned is not None and torch.equal(e.numbers[turned].T, e.numbers[weight]):
        name = e.param(node, "weight", turned)
    else:
        name = e.constant(node, "weight", e.numbers[weight].T, of="linear")
    e.emit(node, "linear", e.value(x), name, *bias)


def addmm(e: Export, node: Call) -> None:
    """``bias + x @ weight``."""
    s = settings(node)
    x, weight, bias = s["mat1"], s["mat2"], s["self"]
    if not (e.is_constant(weight) and e.is_constant(bias)) or (s["beta"], s["alpha"]) != (1, 1):
        raise Refused("weight and bias must be parameters, beta and alpha 1; use nn.Linear")
    full = e.stored(bias).expand(1, int(shape_of(weight)[-1]))[0]
    product(e, node, x, weight, e.constant(node, "bias", full, of="linear"))


def softmax(e: Export, node: Call) -> None:
    """Over any axis but the batch."""
    s = settings(node)
    x = s["self"]
    axis = axis_of(x, s["dim"])
    inner_size(x, axis)
    value, keep = e.masked[x] if x in e.masked else (e.value(x), EVERYTHING)
    shape, perm = e.sample_shape(node), list(range(rank_of(x)))
    if axis == rank_of(x) - 1:
        probabilities(e, node, value, keep, shape)
        return
    perm[axis], perm[-1] = perm[-1], perm[axis]
    turned = tuple(shape[p - 1] for p in perm[1:])
    if keep.values:
        raise Refused(f"a mask made of inputs needs a softmax over the last axis, got axis {axis}; transpose before")
    keep = Keep(keep.fixed.broadcast_to(shape).transpose(axis - 1, -1))
    y = e.emit(node, "transpose", value, perm=perm)
    e.emit(node, "transpose", probabilities(e, node, y, keep, turned), perm=perm)


def log_softmax(e: Export, node: Call) -> None:
    """Over the last axis."""
    s = settings(node)
    x = s["self"]
    axis = axis_of(x, s["dim"])
    if x in e.masked:
        raise Refused("its scores are masked: log 0 has no code; use softmax")
    if axis != rank_of(x) - 1 or axis == 0:
        raise Refused(f"is over axis {axis} of {rank_of(x)}; transpose before, the last axis is supported")
    e.sample_shape(node)
    e.emit(node, "log_softmax", e.value(x))


def probabilities(e: Export, node: Call, scores: str, mask: Keep, shape: tuple[int, ...]) -> str:
    """Emit softmax over the last axis of a value of this sample shape; equal masks are one parameter."""
    keep = mask.fixed
    if keep.all():
        return e.emit(node, "softmax", scores, *mask.values)
    rows = keep.broadcast_to(shape).any(-1)
    if not rows.all():
        row = tuple((~rows).nonzero()[0].tolist())
        raise Refused(f"its mask leaves nothing in row {row}, where torch gives NaN; keep one position at least")
    key = bytes(str(tuple(keep.shape)), "ascii") + keep.cpu().numpy().tobytes()
    if key not in e.masks:
        e.masks[key] = e.constant(node, "mask", keep, of="softmax")
    return e.emit(node, "softmax", scores, e.masks[key], *mask.values)


def split(mask: Tensor) -> tuple[Tensor, Tensor]:
    """What an additive mask keeps, and the finite rest of it."""
    keep = mask > LEAST
    return keep, torch.where(keep, mask, 0)


def computed(e: Export, node: Call, mask: Call) -> Keep:
    """What an additive or boolean mask made of inputs keeps of the scores `node`."""
    if rank_of(mask) != rank_of(node):
        shapes = " and ".join(f"({', '.join(shape_of(x))})" for x in (mask, node))
        raise Refused(f"mask and scores have shapes {shapes}; unsqueeze the mask to as many axes")
    if result_of(mask).dtype == torch.bool:
        return Keep(EVERYTHING.fixed, (keep_of(e, node, mask, bool),))
    return Keep(EVERYTHING.fixed, (keep_of(e, node, mask, lambda number: number > LEAST),))


def is_least(e: Export, x: Any) -> bool:
    """Whether `x` is made of inputs of 0 and 1, and as low as `LEAST` somewhere."""
    return x in e.two and min(e.two[x].numbers) <= LEAST


def waiting(e: Export, node: Call, x: Call, keep: Keep) -> None:
    """`x` with what is kept of it, until a softmax reads it."""
    value, before = e.masked[x] if x in e.masked else (e.value(x), EVERYTHING)
    e.sample_shape(node)
    e.masked[node] = value, keep & before


def feeds_softmax(node: Call) -> bool:
    """Whether all that reads `node` is a softmax, by way of other masks perhaps."""
    users = [u for u in node.users if u.op == "output" or not is_bookkeeping(u)]
    return bool(users) and all(
        op_of(u) in ("softmax", "_softmax") or (op_of(u) in ON_THE_WAY and feeds_softmax(u)) for u in users
    )


def mask_added(e: Export, node: Call, x: Any, other: Any, sign: int = 1) -> bool:
    """Export ``x + sign * other`` where it is part of a softmax's mask; whether it is."""
    if e.is_constant(x):
        x, other = other, x
    if x not in e.masked and other in e.masked and sign == 1:
        x, other = other, x
    if is_least(e, x) and sign == 1:
        x, other = other, x
    if is_least(e, other) and sign == 1 and feeds_softmax(node):
        waiting(e, node, x, computed(e, node, other))
        return True
    if isinstance(other, Call) and e.is_constant(other) and x not in e.refused:
        mask = sign * per_sample(e, other, rank_of(node)).float()
        low = mask <= LEAST
        if x in e.masked or (low.any() and feeds_softmax(node)):
            keep, rest = split(mask)
            waiting(e, node, x, Keep(keep))
            if rest.any():
                plus(e, node, e.constant(node, "bias", rest, of="softmax"))
            return True
        if mask.isinf().any():
            raise Refused("adds infinity; a mask goes straight into a softmax")
    elif x in e.masked and sign == 1:
        waiting(e, node, x, EVERYTHING)
        plus(e, node, e.operand(node, other))
        return True
    return False


def plus(e: Export, node: Call, other: str) -> None:
    """Add to the value that waits under `node`."""
    value, keep = e.masked[node]
    e.masked[node] = e.emit(node, "add", value, other), keep
    del e.env[node]


def masked_fill(e: Export, node: Call) -> None:
    """Minus infinity where a constant is true."""
    s = settings(node)
    choose(e, node, s["mask"], s["value"], s["self"])


def where(e: Export, node: Call) -> None:
    """One of two by a constant, one of them minus infinity."""
    s = settings(node)
    choose(e, node, s["condition"], s["self"], s["other"])


def choose(e: Export, node: Call, condition: Call, yes: Any, no: Any) -> None:
    """Mask of the one that is a value, the other being minus infinity, or as good as that."""
    if not e.refused.isdisjoint(node.all_input_nodes):
        raise Refused
    if not e.is_constant(condition) and condition not in e.two:
        raise Refused(f"its condition depends on the model's inputs: {MASKS}")
    x, fill = (no, yes) if e.is_constant(yes) else (yes, no)
    number = fill
    if isinstance(fill, Call) and e.is_constant(fill):
        number = (e.numbers[fill] if fill in e.numbers else e.repeated[fill]).max()
    if condition in e.two:
        if number == 0 and not isinstance(number, Call):
            e.emit(node, "masked", e.value(x), keep_of(e, node, condition, lambda n: bool(n) == (x is yes)))
            return
        keep = (
            computed(e, node, condition)
            if x is yes
            else Keep(EVERYTHING.fixed, (keep_of(e, node, condition, lambda n: not n),))
        )
    else:
        chosen = per_sample(e, condition, rank_of(node)).bool()
        keep = Keep(chosen if x is yes else ~chosen)
    if isinstance(number, Call) or not number <= LEAST or not feeds_softmax(node):
        got = "two values" if isinstance(number, Call) else float(number)
        raise Refused(f"only minus infinity (-1e4 or less), right before a softmax, is supported; got {got}")
    if shape_of(x) != shape_of(node):
        raise Refused(f"its mask broadcasts ({', '.join(shape_of(x))}) to ({', '.join(shape_of(node))}); use expand")
    waiting(e, node, x, keep)


def attention(e: Export, node: Call) -> None:
    """``softmax(scale * q @ k.T + mask) @ v``."""
    s = settings(node)
    q, k, v = s["query"], s["key"], s["value"]
    names = [e.value(q), e.value(k), e.value(v)]
    e.sample_shape(node)
    check_attention(s)
    if (groups := int(shape_of(q)[-3]) // int(shape_of(k)[-3]) if s["enable_gqa"] else 1) > 1:
        names[1:] = [
            repeated(e, node, y, shape_of(x), rank_of(x) - 3, groups) for x, y in ((k, names[1]), (v, names[2]))
        ]
    rank, mask = rank_of(q), s["attn_mask"]
    shape = (*map(int, shape_of(q)[1:-1]), int(shape_of(k)[-2]))
    keep, rest = Keep(causal(*shape[-2:])) if s["is_causal"] else EVERYTHING, None
    if mask in e.two:
        keep = computed(e, node, mask)
    elif mask is not None:
        if not e.is_constant(mask):
            raise Refused(f"attn_mask depends on the model's inputs: {MASKS}")
        given = per_sample(e, mask, rank)
        fixed, rest = (given, None) if given.dtype == torch.bool else split(given)
        keep = Keep(fixed)
    turned = e.emit(node, "transpose", names[1], perm=[*range(rank - 2), rank - 1, rank - 2])
    gain = 1 / math.sqrt(int(shape_of(q)[-1])) if s["scale"] is None else float(s["scale"])
    scores = e.emit(node, "matmul", names[0], turned, called="scores", gain=gain)
    if rest is not None and rest.any():
        scores = e.emit(node, "add", scores, e.constant(node, "bias", rest, of="softmax"))
    e.emit(node, "matmul", probabilities(e, node, scores, keep, shape), names[2], called="context", gain=1.0)


def causal(queries: int, keys: int) -> Tensor:
    """Each position sees itself and those before."""
    return torch.ones(queries, keys, dtype=torch.bool).tril()


def check_attention(s: dict[str, Any]) -> None:
    """Refused for shapes that broadcast, but for fewer heads of key and value where torch shares them, and dropout."""
    shapes = [shape_of(s[name]) for name in ("query", "key", "value")]
    query, key, value = (shape[:-2] for shape in shapes)
    told = ", ".join(f"({', '.join(shape)})" for shape in shapes)
    if len(shapes[0]) < 3:
        raise Refused("query has no batch; give shape (batch, heads, sequence, features)")
    if s["enable_gqa"]:
        if len(query) < 2:
            raise Refused(f"enable_gqa with query of shape ({', '.join(shapes[0])}), which has no heads; leave it out")
        if (*query[:-1], key[-1]) != key or key != value:
            raise Refused(f"query, key, value of shapes {told}: only heads of query may be more, key and value alike")
    elif not query == key == value:
        raise Refused(f"query, key, value of shapes {told} must have equal batch and heads: use expand, or enable_gqa")
    if s["dropout_p"]:
        raise Refused(f"dropout_p = {s['dropout_p']} stays on in eval mode; give 0.0 unless self.training")


def refused_attention(e: Export, node: Call) -> None:
    """A multihead attention that `torch_multihead` could not write down."""
    raise Refused(settings(node)["why"])
