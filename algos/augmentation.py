"""Other recordings that could have been: random changes of a training batch that leave its labels right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .frameworks import torch

Tensor = torch.Tensor
Augment = Callable[[Tensor, torch.Generator], Tensor]
"""(batch, random numbers) -> a batch of the same shape."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Windows of a worn sensor, as if the strap sat otherwise and the movement were slower, larger or smaller.

    Windows have shape (n, 6, time): standardised acceleration and angular rate, three axes each.

    Args:
        mean: what was subtracted from each channel, in the sensor's units.
        deviation: by what it was divided.
        turn: degrees; the sensor is turned about a random axis by up to this much.
        scale: the logarithm of the size is within +- this.
        slow: up to this part of a window is cut off, and the rest stretched to its length.
        noise: deviation of what is added to each sample, in standard deviations.
        mix: blend pairs of windows (mixup, arXiv:1710.09412). Labels are then wrong: only for distillation.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    turn: float
    scale: float
    slow: float
    noise: float
    mix: bool = False

    def __call__(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """A changed copy."""
        n = len(x)
        x = stretched(x, 1 - self.slow * torch.rand(n, generator=rng), torch.rand(n, generator=rng))
        mean, deviation = (torch.tensor(v)[:, None] for v in (self.mean, self.deviation))
        raw = (x * deviation + mean).reshape(n, 2, 3, -1)
        turned = rotations(n, math.radians(self.turn), rng)[:, None] @ raw
        x = (turned.reshape(x.shape) - mean) / deviation
        x = x * torch.exp(self.scale * signed(rng, n, 1, 1))
        x = x + self.noise * torch.randn(x.shape, generator=rng)
        if self.mix:
            share = torch.rand(n, 1, 1, generator=rng)
            share = torch.maximum(share, 1 - share)
            x = share * x + (1 - share) * x[torch.randperm(n, generator=rng)]
        return x


def signed(rng: torch.Generator, *shape: int) -> Tensor:
    """Uniform in [-1, 1)."""
    return 2 * torch.rand(*shape, generator=rng) - 1


def rotations(n: int, angle: float, rng: torch.Generator) -> Tensor:
    """``exp([v]x)``, shape (n, 3, 3): about axes in all directions, by up to +-`angle` radians."""
    v = torch.randn(n, 3, generator=rng)
    x, y, z = (v / v.norm(dim=1, keepdim=True) * angle * signed(rng, n, 1)).unbind(1)
    o = torch.zeros(n)
    return torch.linalg.matrix_exp(torch.stack([o, -z, y, z, o, -x, -y, x, o], 1).reshape(n, 3, 3))


def stretched(x: Tensor, kept: Tensor, where: Tensor) -> Tensor:
    """A part of each window at the length of the whole, by linear interpolation.

    Args:
        x: windows, shape (n, channels, time).
        kept: part of the window that remains, shape (n,).
        where: where it begins, 0 the earliest to 1 the latest, shape (n,).
    """
    last = x.shape[2] - 1
    at = (where * (1 - kept) * last)[:, None] + kept[:, None] * torch.arange(x.shape[2])
    left = at.long().clamp(0, last - 1)
    share = (at - left)[:, None]
    index = left[:, None].expand(-1, x.shape[1], -1)
    return x.gather(2, index) * (1 - share) + x.gather(2, index + 1) * share
