"""How `matmul` and `conv2d` add up, as their templates may see it: plain, wrapped once, or step by step."""

from __future__ import annotations

from hwsim.formats import IntFormat
from hwsim.graph import Graph, Node
from hwsim.ops import Conv2d, MatMul
from hwsim.ops.datapath import PLAIN, Datapath
from hwsim.ranges import Interval, operands

from .c_view import CView, literal, wide_type
from .onnx_types import INT64
from .onnx_view import OnnxView


def plain_reach(graph: Graph, node: Node) -> Interval:
    """What exact sums reach after any product, zero included. Why any order: a tree's products come one by one here."""
    assert isinstance(node.op, MatMul | Conv2d)
    if node.op.datapath == PLAIN:
        return graph.reach[node.outs[0].name]
    return node.op.bound(*operands(graph, node), any_order=True).interval.union(Interval(0, 0))


def _needed(graph: Graph, node: Node) -> tuple[Datapath, Interval, bool, bool]:
    """Datapath, plain reach, whether steps matter, whether something wraps."""
    assert isinstance(node.op, MatMul | Conv2d)
    path, acc, exact = node.op.datapath, node.op.acc, node.op.bound(*operands(graph, node)).interval
    wraps = path.overflow == "wrap" and not exact.inside(path.limits(acc))
    return path, plain_reach(graph, node), path.stepped(exact, acc), wraps


def c_sums(v: CView, product: Interval, count: int, *others: Interval) -> None:
    """Fields ``acc`` (type of the sum) and ``add``: what a template does with each product and with the last sum.

    Args:
        v: the node's view.
        product: what one product can reach.
        count: products of one sum.
        others: what else must fit the type.
    """
    op = v.node.op
    assert isinstance(op, MatMul | Conv2d)
    path, sums, stepped, wraps = _needed(v.graph, v.node)
    limits, clips = path.limits(op.acc), stepped and path.overflow == "saturate"
    tree = min(path.tree, count) if clips else 1
    if clips:
        cut = path.cut_ends(product).union(Interval(0, 0))
        sums = Interval(limits.lo + tree * cut.lo, limits.hi + tree * cut.hi)
    acc = wide_type(sums, product, *others)

    def term(text: str) -> str:
        return c_cut(path, text, acc)

    def limit(text: str) -> str:
        return c_limit(path, op.acc, text, acc)

    last = c_wrap(path, op.acc, "sum") if wraps else "sum"
    v.fields["acc"] = acc
    v.fields["add"] = {"term": term, "limit": limit if clips else None, "last": last, "tree": tree}
    v.fields["add"] |= {"steps": stepped, "end_of_tree": tree - 1, "end": count - 1}


def c_cut(path: Datapath, text: str, kind: str) -> str:
    """A product without its low bits."""
    return f"({kind})hw_shift_{path.rounding}({text}, {path.drop})" if path.drop else text


def c_limit(path: Datapath, acc: IntFormat, text: str, kind: str) -> str:
    """A sum saturated."""
    limits = path.limits(acc)
    return f"({kind})hw_saturate({text}, {literal(limits.lo)}, {literal(limits.hi)})"


def c_wrap(path: Datapath, acc: IntFormat, text: str) -> str:
    """A sum wrapped."""
    return f"hw_wrap({text}, {literal(path.limits(acc).lo)}, {acc.bits})"


def onnx_sums(v: OnnxView) -> bool:
    """Field ``wrap``. Whether a plain sum will do; else see `onnx_steps`."""
    op = v.node.op
    assert isinstance(op, MatMul | Conv2d)
    path, _, stepped, wraps = _needed(v.graph, v.node)
    v.fields["wrap"] = onnx_wrap(path, op.acc) if wraps else None
    return not stepped


def onnx_wrap(path: Datapath, acc: IntFormat) -> dict[str, int]:
    """The numbers that wrap a sum."""
    return {"lo": path.limits(acc).lo, "size": 1 << acc.bits}


def onnx_steps(v: OnnxView, k: int, n: int, ranks: tuple[int, int]) -> None:
    """Field ``steps``: a Scan over the steps of a (.., m, k) with b (.., k, n), int64; `ranks` are theirs."""
    op, (ra, rb) = v.node.op, ranks
    assert isinstance(op, MatMul | Conv2d)
    path, limits = op.datapath, op.datapath.limits(op.acc)
    clips = path.overflow == "saturate"
    tree = min(path.tree, 1 << (k - 1).bit_length()) if clips else 1
    count = -(-k // tree)
    pads = [0] * (2 * ra - 1) + [count * tree - k], [0] * (2 * rb - 2) + [count * tree - k, 0]
    v.fields["steps"] = {
        "pads": pads if k % tree else None,
        "shapes": ([0] * (ra - 1) + [count, tree], [0] * (rb - 2) + [count, tree, n]),
        "perms": ([ra - 1, *range(ra - 1), ra], [rb - 2, *range(rb - 2), rb - 1, rb]),
        "n": n,
        "tree": tree,
        "ones": [1] * tree,
        "lift": rb > 2,
        "drop": 1 << path.drop if path.drop else None,
        "half": 1 << path.drop >> 1,
        "rounding": path.rounding,
        "limits": limits if clips else None,
    }
    v.fields["kind"] = INT64
