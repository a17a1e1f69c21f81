"""Quotients of values in the front graph, and vectors of length 1.

``x.clamp(min=c)`` and ``x.norm(dim=-1, keepdim=True)`` emit nothing: they wait in `Export.divisors` for the quotient
that reads them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .torch_calls import Call, Refused, axis_of, inner_size, op_of, rank_of, settings
from .torch_constants import RENAMED

if TYPE_CHECKING:
    from .export import Export

TINY = 1e-12
"""Least length where the user's code has none; torch.nn.functional.normalize has the same."""
NORMS = "For norms use nn.LayerNorm, nn.RMSNorm, nn.BatchNorm or F.normalize"


class Divisor(NamedTuple):
    """``max(value, least)``, or with `norm` the length of `value` over its last axis in place of it."""

    value: str
    least: float = 0.0
    norm: bool = False


def floored(e: Export, node: Call, x: Call, least: float) -> None:
    """``max(x, least)`` for a quotient to read."""
    e.sample_shape(node)
    before = e.divisors[x] if x in e.divisors else Divisor(e.value(x))
    e.divisors[node] = before._replace(least=max(least, before.least))


def vector_norm(e: Export, node: Call) -> None:
    """``sqrt(sum(x**2))`` over the last axis, kept at size 1, for a quotient to read."""
    s = settings(node)
    x, axes = s["self"], s["dim"] or []
    axes = [axes] if isinstance(axes, int) else axes
    if s.get("ord", s.get("p", 2)) != 2 or [axis_of(x, a) for a in axes] != [rank_of(x) - 1] or not s["keepdim"]:
        raise Refused(f"only ord=2, dim=-1, keepdim=True, to divide by it, is supported. {NORMS}")
    inner_size(x, rank_of(x) - 1)
    e.divisors[node] = Divisor(e.value(x), norm=True)


def div(e: Export, node: Call) -> None:
    """``x / number`` as ``x * (1 / number)``; a quotient of two values; ``x / length of x`` as an RMS norm."""
    x, by = settings(node)["self"], settings(node)["other"]
    if not e.is_constant(by):
        quotient(e, node, x, by)
        return
    if by in e.repeated:
        raise Refused(f"{by.name!r} is a parameter for every sample, which only cat, + - and * may read")
    number = np.asarray(e.stored(by).detach().cpu().double() if isinstance(by, Call) else by, np.float64)
    if not number.all():
        raise Refused("division by 0")
    e.emit(node, "mul", e.value(x), e.constant(node, "reciprocal", 1 / number))


def quotient(e: Export, node: Call, x: Any, by: Call) -> None:
    """``x / by``, both values."""
    name = e.value(x)
    divisor = e.divisors[by] if by in e.divisors else Divisor(e.value(by, integers=by in e.counts))
    if not divisor.norm:
        e.emit(node, "div", name, divisor.value, least=divisor.least)
        return
    if name != divisor.value:
        raise Refused(f"divides {name!r} by the length of {divisor.value!r}; only a vector by its own. {NORMS}")
    size = inner_size(x, rank_of(x) - 1)
    if not name:
        raise Refused
    # x / max(|x|, least) as x / sqrt(|x|**2 + least**2): the same but for lengths near `least`
    weight = e.constant(node, "weight", np.full(size, 1 / math.sqrt(size)), of="normalize")
    eps = max(divisor.least, TINY) ** 2 / size
    e.emit(node, "rms_norm", name, weight, called="normalize", eps=eps)


def passed(e: Export, node: Call) -> bool:
    """Whether `node` only expands or renames a divisor, which broadcasts anyway."""
    x = node.args[0] if node.args else None
    if x not in e.divisors or op_of(node) not in ("expand", *RENAMED) or rank_of(x) != rank_of(node):
        return False
    e.sample_shape(node)
    e.divisors[node] = e.divisors[x]
    return True
