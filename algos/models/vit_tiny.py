"""A Vision Transformer for Fashion-MNIST: 16 patches of 7 x 7 and a class token, width 64, 4 layers, 4 heads.

139 thousand parameters. Source: arXiv:2010.11929 (ViT), with the norms first, as there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from algos.examples import VIT_FRONT
from algos.frameworks import nn, torch
from algos.models.shipped import load_weights

WIDTH, PATCH, SIDE = 64, 7, 28


class ViT(nn.Module):
    """Logits of ten classes, shape (n, 10), from images in [0, 1], shape (n, 28, 28) or (n, 1, 28, 28)."""

    def __init__(self, layers: int = 4, heads: int = 4) -> None:
        """Torch's own encoder layers; torch's random start, tokens from a normal of deviation 0.02."""
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH) * 0.02)
        self.positions = nn.Parameter(torch.randn(1, 1 + (SIDE // PATCH) ** 2, WIDTH) * 0.02)
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    WIDTH, heads, 2 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
                )
                for _ in range(layers)
            )
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        x = self.patches(x.reshape(-1, 1, SIDE, SIDE)).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.positions
        return self.head(self.norm(self.layers(x)[:, 0]))


def make_model() -> ViT:
    """The network with the shipped weights, which `algos.training.train("vit-tiny")` makes."""
    return load_weights(ViT(), VIT_FRONT, as_in_torch)


def as_in_torch(params: dict[str, Any]) -> dict[str, Any]:
    """Torch keeps query, key and value in one matrix, and the token with a batch axis; export takes them apart."""
    params = dict(params)
    params["token"] = params.pop("token.expand")[None]
    for name in [n for n in params if ".self_attn.q." in n]:
        parts = [params.pop(name.replace(".q.", f".{part}.")) for part in "qkv"]
        params[name.replace(".q.", ".in_proj_")] = np.concatenate(parts)
    return params
