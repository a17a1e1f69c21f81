"""Which nodes compute in float32 at run time, and the targets that have no hardware for it."""

from __future__ import annotations

from hwsim.contracts import OnnxFloat
from hwsim.graph import Graph, Node
from hwsim.ops import Float32Sum

from .targets import Target
from .unsupported import Unsupported, problem

OPS = ("scaled_add", "float_pool", "float_divide")


def reason(node: Node) -> str:
    """What of `node` is float, or nothing."""
    if node.op.name in OPS:
        return "is float32 by definition"
    if isinstance(getattr(node.op, "contract", None), OnnxFloat):
        return "requantizes by onnx_float, in float32"
    return "adds its blocks in float32" if isinstance(getattr(node.op, "datapath", None), Float32Sum) else ""


def check_floats(graph: Graph, target: Target) -> None:
    """Raise Unsupported, all nodes at once, where `target` would have to compute floats in software.

    Why no soft floats: they are a library that nobody asked for, and the promise is an image without one.
    """
    if target.float32:
        return
    found = [(i, n, reason(n)) for i, n in enumerate(graph.nodes) if reason(n)]
    if found:
        advice = "use an integer contract or datapath, or a target with an FPU"
        problems = [problem(f"node {i} {n.op.name} {n.outs[0].name[:60]!r}", why, advice) for i, n, why in found]
        raise Unsupported(f"C for {target.name}, which has no FPU", problems)
