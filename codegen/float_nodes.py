"""Which nodes compute in float32 at run time, and the targets that have no hardware for it."""

from __future__ import annotations

from hwsim.contracts import OnnxFloat
from hwsim.graph import Graph, Node
from hwsim.ops import Float32Sum

from .targets import Target
from .unsupported import Unsupported, problem


def reason(node: Node) -> str:
    """What of `node` is float, or nothing."""
    if node.op.name in ("float_pool", "float_divide"):
        return "is float32 by definition"
    if node.op.name == "scaled_add":
        return "is float64 by definition"
    if isinstance(getattr(node.op, "contract", None), OnnxFloat):
        return "requantizes by onnx_float, in float32"
    return "adds its blocks in float32" if isinstance(getattr(node.op, "datapath", None), Float32Sum) else ""


def check_floats(graph: Graph, target: Target) -> None:
    """Raise Unsupported, all nodes at once, where `target` would have to compute floats in software.

    Why no soft floats: they are a library that nobody asked for, and the promise is an image without one.
    """
    here = {"": True, "float32": target.float32, "float64": target.float64}
    found = [(i, n, reason(n)) for i, n in enumerate(graph.nodes)]
    found = [(i, n, why) for i, n, why in found if not here[next((f for f in here if f and f in why), "")]]
    if found:
        advice = "use an integer contract or datapath, or a target whose FPU has them"
        problems = [problem(f"node {i} {n.op.name} {n.outs[0].name[:60]!r}", why, advice) for i, n, why in found]
        raise Unsupported(f"C for {target.name}, whose hardware lacks such floats", problems)
