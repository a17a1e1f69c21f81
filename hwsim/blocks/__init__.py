"""Sub-graphs built out of ops: each adds nodes to a Graph and returns the result. No float at run time."""

from __future__ import annotations

from .activation import gelu, pointwise, silu
from .attention import Attention
from .exact import exact
from .layernorm import LayerNorm
from .reciprocal import reciprocal
from .rmsnorm import RMSNorm
from .rsqrt import rsqrt
from .softmax import Softmax

__all__ = ["Attention", "LayerNorm", "RMSNorm", "Softmax", "exact", "gelu", "pointwise", "reciprocal", "rsqrt", "silu"]
