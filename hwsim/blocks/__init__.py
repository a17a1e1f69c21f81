"""Sub-graphs built out of ops: each adds nodes to a Graph and returns the result. No float at run time."""

from __future__ import annotations

from .activation import ACTIVATIONS, activation, gated, gelu, pointwise, silu
from .attention import Attention
from .exact import exact
from .fitted import fitted
from .layernorm import LayerNorm
from .logsoftmax import LogSoftmax
from .reciprocal import reciprocal
from .rmsnorm import RMSNorm
from .rsqrt import rsqrt
from .softmax import Softmax

__all__ = [
    "ACTIVATIONS", "Attention", "LayerNorm", "LogSoftmax", "RMSNorm", "Softmax", "activation", "exact", "fitted",
    "gated", "gelu", "pointwise", "reciprocal", "rsqrt", "silu",
]  # fmt: skip
