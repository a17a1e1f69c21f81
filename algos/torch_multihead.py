"""nn.MultiheadAttention with the batch on axis 0, for as long as a trace takes.

Why: torch's own forward puts the sequence first and merges batch and heads, or calls one fused operation; both hide
what is computed, and break the rule that the batch stays axis 0.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .frameworks import nn, torch

Tensor = torch.Tensor
F = nn.functional
LENGTHS = "sequence lengths are fixed at lowering"


@contextlib.contextmanager
def batch_first(model: nn.Module) -> Iterator[None]:
    """Every nn.MultiheadAttention in `model` computes as `BatchFirst`; afterwards all is as it was.

    Why the detection is off: torch compares masks with the causal one, which a trace cannot; a mask says it anyway.
    """
    fused, encoder = torch.backends.mha.get_fastpath_enabled(), torch.nn.modules.transformer
    detect = encoder._detect_is_causal_mask
    found = [m for m in model.modules() if type(m).forward is nn.MultiheadAttention.forward]
    before = [(m, m.__class__, dict(m._modules)) for m in found]
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        encoder._detect_is_causal_mask = lambda mask, is_causal, size: bool(is_causal)
        for m in found:
            m._modules.update({name: Projection() for name in ("q", "k", "v")})
            m.__class__ = BatchFirst
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        encoder._detect_is_causal_mask = detect
        for m, kind, children in before:
            m.__class__ = kind
            m._modules.clear()
            m._modules.update(children)


class Projection(nn.Module):
    """A linear layer without weights of its own; it gives the product a name."""

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """``x @ weight.T + bias``."""
        return F.linear(x, weight, bias)


class BatchFirst(nn.MultiheadAttention):
    """The same numbers by linear layers, reshape, transpose and scaled_dot_product_attention."""

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Output and, if needed, weights. Why `is_causal` is not read: it only promises what `attn_mask` holds."""
        if why := self.reason(query, attn_mask, is_causal):
            return torch.ops.hwsim.multihead_attention(query, key, self.embed_dim, why)
        biases: Any = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        steps = zip((self.q, self.k, self.v), (query, key, value), weights, biases, strict=True)
        sizes = (self.num_heads, self.head_dim)
        q, k, v = (step(x, w, b).unflatten(-1, sizes).transpose(1, 2) for step, x, w, b in steps)
        mask = None if attn_mask is None else self.added(attn_mask, query)
        if key_padding_mask is not None:
            padding = self.added(key_padding_mask, query)[:, None, None, :]
            mask = padding if mask is None else mask + padding
        y = F.scaled_dot_product_attention(q, k, v, mask)
        y = self.out_proj(y.transpose(1, 2).flatten(2))
        if not need_weights:
            return y, None
        scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5  # dropped from the program where nothing reads it
        p = torch.softmax(scores if mask is None else scores + mask, -1)
        return y, p.mean(1) if average_attn_weights else p

    def added(self, mask: Tensor, query: Tensor) -> Tensor:
        """The mask to add to the scores; True leaves out."""
        if mask.dtype != torch.bool:
            return mask
        return torch.zeros_like(mask, dtype=query.dtype).masked_fill(mask, -torch.inf)

    def reason(self, query: Tensor, attn_mask: Tensor | None, is_causal: bool) -> str:
        """Why this call is refused; "" if it is not."""
        per_sample = attn_mask is not None and attn_mask.dim() != 2
        reasons = {
            "batch_first = False puts the sequence on axis 0; use batch_first=True": not self.batch_first,
            f"attn_mask differs from sample to sample: {LENGTHS}; give a constant one, (query, key), and what pads as "
            "key_padding_mask, an input of 0 and 1": per_sample,
            "is_causal alone; give attn_mask too": is_causal and attn_mask is None,
            "add_bias_kv is not supported; concatenate a token to key and value": self.bias_k is not None,
            "add_zero_attn is not supported; leave it out": self.add_zero_attn,
            "query has no batch; give shape (batch, sequence, features)": query.dim() != 3,
        }
        return "; ".join(why for why, holds in reasons.items() if holds)


@torch.library.custom_op("hwsim::multihead_attention", mutates_args=())
def multihead_attention(query: Tensor, key: Tensor, width: int, why: str) -> tuple[Tensor, Tensor]:
    """Stands in a program for an attention that `algos.export` refuses, so that it finds all others too."""
    return unfilled(query, key, width)


@multihead_attention.register_fake
def unfilled(query: Tensor, key: Tensor, width: int, why: str = "") -> tuple[Tensor, Tensor]:
    """Tensors of the right shape."""
    size = (query.shape[0], query.shape[-2], key.shape[-2])
    return query.new_empty(*query.shape[:-1], width), query.new_empty(size)
