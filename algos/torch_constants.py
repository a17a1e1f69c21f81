"""What depends on no input of the model is computed once, at export, and becomes a parameter where something reads it.

A constant that is only repeated for every sample (``token.expand(x.shape[0], -1, -1)``, ``torch.zeros(x.shape[0], 3)``)
is kept as one sample, with a batch axis of size 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .frameworks import torch
from .torch_calls import Call, Refused, is_bookkeeping, op_of, rank_of, result_of, shape_of

if TYPE_CHECKING:
    from .export import Export

LIKE = ("new_zeros", "new_ones", "new_full", "new_empty", "zeros_like", "ones_like", "full_like", "empty_like")
RENAMED = ("alias", "clone", "detach", "lift_fresh_copy", "_to_copy")
EVERY_SAMPLE = {
    *("expand", "repeat", "zeros", "ones", "full", "empty", "fill", "zero", "embedding", "cat", "stack"),
    *("add", "sub", "rsub", "mul", "neg", "eq", "ne", "logical_not", "bitwise_not", "masked_fill", "where"),
    *("view", "_unsafe_view", "unsqueeze", "squeeze", "slice", "select", "transpose", "permute", "tril", "triu"),
    *("matmul", "cos", "sin"),
    *(*LIKE, *RENAMED),
}
"""Operations that do the same to one sample as to each of many, where the batch is axis 0 of the result."""


def fold(e: Export, node: Call) -> bool:
    """Compute `node` if it depends on no input; whether it does not."""
    if is_bookkeeping(node) or not e.refused.isdisjoint(node.all_input_nodes) or is_random(node):
        return False
    tensors = [n for n in node.all_input_nodes if not is_bookkeeping(n)]
    sizes = len(tensors) < len(node.all_input_nodes)
    like = op_of(node) in LIKE
    if not all(n in e.numbers or n in e.repeated or (like and (n in e.env or n in e.two)) for n in tensors):
        return False
    shape = shape_of(node)
    if not sizes and e.repeated.keys().isdisjoint(tensors) and all(size.isdigit() for size in shape):
        e.numbers[node] = computed(e, node)
    elif is_every_sample(e, node) and only_batch(e, node):
        e.repeated[node] = computed(e, node)
        if tuple(map(str, e.repeated[node].shape)) != ("1", *shape[1:]):
            raise Refused(f"result of shape ({', '.join(shape)}) is not the same for every sample")
    else:
        return False
    source = tensors[0] if tensors else None
    if op_of(node) in RENAMED and source in e.names and result_of(node).dtype == result_of(source).dtype:
        e.names[node] = e.names[source]
    return True


def is_random(node: Call) -> bool:
    """Whether two calls give two results."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def is_every_sample(e: Export, node: Call) -> bool:
    """Whether the result has the batch on axis 0, and no other, and each sample is made in the same way."""
    shape = shape_of(node)
    free = len(shape) > 2 or op_of(node) not in ("tril", "triu")  # those look at the last two axes
    return free and op_of(node) in EVERY_SAMPLE and e.is_sample(shape)


def only_batch(e: Export, node: Call) -> bool:
    """Whether the batch is the only computed size that `node` reads."""
    return all(str(n.meta["val"]) == e.batch for n in node.all_input_nodes if is_bookkeeping(n))


def computed(e: Export, node: Call) -> Any:
    """The result in torch, for a batch of one."""

    def argument(n: Call) -> Any:
        if n in e.numbers or n in e.repeated:
            return e.numbers[n] if n in e.numbers else e.repeated[n]
        return 1 if is_bookkeeping(n) else torch.empty(1, *map(int, shape_of(n)[1:]), dtype=result_of(n).dtype)

    args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), argument)
    with torch.no_grad():
        return node.target(*args, **kwargs)


def per_sample(e: Export, x: Call, rank: int) -> torch.Tensor:
    """A constant without batch axis, to broadcast against a sample of a value that has `rank` axes."""
    if x in e.repeated:
        return e.repeated[x][0]
    numbers = e.numbers[x]
    if rank_of(x) < rank:
        return numbers
    if rank_of(x) > rank or len(numbers) != 1:
        raise Refused(
            f"a constant of shape ({', '.join(shape_of(x))}) differs from sample to sample; axis 0 is the batch"
        )
    return numbers[0]
