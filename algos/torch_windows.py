"""Convolutions and pools of torch in the front graph; channels second, as torch has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .torch_calls import Call, Refused, axis_of, inner_size, rank_of, settings, shape_of

if TYPE_CHECKING:
    from .export import Export


def conv(e: Export, node: Call) -> None:
    """conv1d or conv2d with zero padding, given as numbers or as "same" / "valid"."""
    s = settings(node)
    x, weight = s["input"], s["weight"]
    rank = rank_of(weight) - 2
    check_rank(x, rank)
    stride, dilation = spread(s["stride"], rank), spread(s["dilation"], rank)
    kernel = [int(k) for k in shape_of(weight)[2:]]
    ins = [e.value(x), e.param(node, "weight", weight)]
    ins += [] if s["bias"] is None else [e.param(node, "bias", s["bias"])]
    padding = around(s["padding"], kernel, dilation)
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": int(s["groups"])}
    e.emit(node, f"conv{rank}d", *ins, **attrs)


def around(padding: Any, kernel: list[int], dilation: list[int]) -> list[list[int]]:
    """[before, after] for each axis; "same" puts the odd one after, as torch does."""
    if padding == "valid":
        return [[0, 0] for _ in kernel]
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [[t // 2, t - t // 2] for t in totals]
    return [[p, p] for p in spread(padding, len(kernel))]


def max_pool(e: Export, node: Call) -> None:
    """Maximum under a window."""
    if any(d != 1 for d in spread(settings(node)["dilation"], 1)):
        raise Refused(f"dilation = {settings(node)['dilation']}; pools with gaps are not supported")
    pool(e, node, "max_pool")


def avg_pool(e: Export, node: Call) -> None:
    """Mean under a window; what lies outside counts as 0."""
    s = settings(node)
    if s.get("divisor_override") is not None:
        raise Refused(f"divisor_override = {s['divisor_override']}; multiply after a plain mean instead")
    if not s["count_include_pad"] and any(spread(s["padding"], 1)):
        raise Refused("count_include_pad = False with padding gives every border its own divisor; use True")
    pool(e, node, "avg_pool")


def pool(e: Export, node: Call, op: str) -> None:
    """Either kind."""
    s = settings(node)
    x, rank = s.get("self", s.get("input")), 2 if "2d" in str(node.target) else 1
    check_rank(x, rank)
    if s["ceil_mode"]:
        raise Refused("ceil_mode = True lets windows hang over the edge; use padding")
    kernel = spread(s["kernel_size"], rank)
    stride = spread(s["stride"], rank) if s["stride"] else kernel
    padding = [[p, p] for p in spread(s["padding"], rank)]
    e.emit(node, f"{op}{rank}d", e.value(x), kernel=kernel, stride=stride, padding=padding)


def adaptive_avg_pool(e: Export, node: Call) -> None:
    """To size 1: the mean; to sizes that divide the input's: a plain average pool."""
    x, size = settings(node)["self"], settings(node)["output_size"]
    rank = 2 if "2d" in str(node.target) else 1
    check_rank(x, rank)
    ins = [inner_size(x, axis) for axis in range(2, 2 + rank)]
    outs = spread(size, rank)
    if outs == [1] * rank:
        e.emit(node, "mean", e.value(x), axes=list(range(2, 2 + rank)))
        return
    if any(i % o for i, o in zip(ins, outs, strict=True)):
        raise Refused(f"from {ins} to {outs}: windows of several sizes; choose sizes that divide the input's")
    kernel = [i // o for i, o in zip(ins, outs, strict=True)]
    e.emit(node, f"avg_pool{rank}d", e.value(x), kernel=kernel, stride=kernel, padding=[[0, 0]] * rank)


def mean(e: Export, node: Call) -> None:
    """Mean over axes; a reshape after it where torch drops them."""
    s = settings(node)
    x = s["self"]
    axes = sorted({axis_of(x, a) for a in (s["dim"] if s["dim"] else range(rank_of(x)))})
    for axis in axes:
        inner_size(x, axis)
    y = e.emit(node, "mean", e.value(x), axes=axes)
    if not s["keepdim"]:
        e.emit(node, "reshape", y, shape=list(e.sample_shape(node)))


def check_rank(x: Call, rank: int) -> None:
    """Refused unless `x` has a batch, channels and `rank` axes more: torch takes one fewer for a single sample."""
    if rank_of(x) != rank + 2:
        raise Refused(f"input of shape ({', '.join(shape_of(x))}) must have {rank + 2} axes: batch, channels, space")


def spread(numbers: Any, rank: int) -> list[int]:
    """One number an axis, where torch allows one for all."""
    numbers = [int(n) for n in numbers] if isinstance(numbers, list | tuple) else [int(numbers)]
    return numbers * rank if len(numbers) == 1 else numbers
