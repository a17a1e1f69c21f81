"""Format and largest number of every operand, by the error of what they make.

One side after the other, several rounds: all biases of all formats are tried, the other sides as they were found last;
each output channel of a weight takes the bias with the least error of its own, a tensor has one format.

    multiplicative   b = gamma * b0, gamma from gamma1 to gamma2, as published; what it can reach depends on the unit of
                     the data: the largest number becomes C**(1 - gamma) * Qmax**gamma, and b0 = 0 cannot move
    additive         b = b0 + d: the largest number becomes Qmax * 2**-d, in any unit

Source: arXiv:2310.16836, algorithm 1; per-channel biases of activations, section 3.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hwsim.formats import FloatFormat

from ..frameworks import torch
from .floats import bias_of, preshifted, quantized, scale_of

Tensor = torch.Tensor
Steps = Callable[[Tensor], list[Tensor]]  # biases to try, from the one of the largest magnitude
Errors = Callable[[Tensor], Tensor]  # squared error of a quantized side: one, or one an output channel


class Choice(NamedTuple):
    """A format, and its scale: one, or one a channel."""

    fmt: FloatFormat
    scale: Tensor


class Side(NamedTuple):
    """One operand.

    Args:
        x: reals, rows first.
        formats: to choose from.
        channels: where its biases lie: ``none`` one for all, ``rows`` one a row (weights), ``columns`` pre-shifted ones
            (activations).
        peaks: largest magnitude of each column where `x` is not all of the data.
    """

    x: Tensor
    formats: tuple[FloatFormat, ...]
    channels: str = "none"
    peaks: Tensor | None = None

    def scales(self, fmt: FloatFormat, steps: Steps) -> list[Tensor]:
        """Every scale that is tried; it broadcasts against `x`."""
        if self.channels == "rows":
            return [scale_of(fmt, b) for b in steps(bias_of(fmt, self.x.abs().amax(1, keepdim=True)))]
        if self.channels == "none":
            most = self.x.abs().amax() if self.peaks is None else self.peaks.amax()
            return [scale_of(fmt, b) for b in steps(bias_of(fmt, most))]
        most = self.x.abs().amax(0) if self.peaks is None else self.peaks
        own = bias_of(fmt, most)
        live = own[most > 0] if (most > 0).any() else own
        return [preshifted(fmt, torch.where(most > 0, own, live.min()), rho) for rho in steps(live.min())]

    def largest(self, fmt: FloatFormat) -> Choice:
        """The scale of the largest magnitude."""
        return Choice(fmt, self.scales(fmt, lambda b: [b])[0])

    def quantized(self, choice: Choice) -> Tensor:
        """Reals on the grid."""
        return quantized(self.x, *choice)

    def best(self, steps: Steps, errors: Errors) -> Choice:
        """The format with the least error at the best scale of each channel."""
        found: list[tuple[float, Choice]] = []
        for fmt in self.formats:
            scales = self.scales(fmt, steps)
            tried = torch.stack([errors(quantized(self.x, fmt, s)) for s in scales])
            least, at = tried.min(0)
            scale = scales[int(at)] if at.ndim == 0 else torch.cat(scales, 1).gather(1, at[:, None])
            found.append((float(least.sum()), Choice(fmt, scale)))
        return min(found, key=lambda f: f[0])[1]


def search_linear(
    x: Side, weights: list[Side], importance: list[Tensor], steps: Steps, rounds: int
) -> tuple[Choice, list[Choice]]:
    """What layers read and their weights, by ``(importance * (x_q @ w_q.T - x @ w.T)**2).sum()``.

    Args:
        x: activations (rows, k).
        weights: (n, k) of every layer that reads them.
        importance: of each layer's outputs, broadcasts against (rows, n).
        steps: biases to try.
        rounds: of the search.
    """
    wanted = [x.x @ w.x.T for w in weights]
    chosen = [w.largest(w.formats[0]) for w in weights]
    made = [w.quantized(c) for w, c in zip(weights, chosen, strict=True)]
    own = x.largest(x.formats[0])

    def of_x(xq: Tensor) -> Tensor:
        return torch.stack([
            ((xq @ w.T - y).square() * i).sum() for w, y, i in zip(made, wanted, importance, strict=True)
        ]).sum()  # fmt: skip

    for _ in range(rounds):
        own = x.best(steps, of_x)
        xq = x.quantized(own)
        for k, (w, y, i) in enumerate(zip(weights, wanted, importance, strict=True)):
            chosen[k] = w.best(steps, lambda wq, xq=xq, y=y, i=i: ((xq @ wq.T - y).square() * i).sum(0))
            made[k] = w.quantized(chosen[k])
    return own, chosen


def search_product(a: Side, b: Side, steps: Steps, rounds: int) -> tuple[Choice, Choice]:
    """Both sides of ``a @ b``, values of equal leading sizes, by its squared error."""
    wanted, right = a.x @ b.x, b.largest(b.formats[0])
    left = a.largest(a.formats[0])
    for _ in range(rounds):
        bq = b.quantized(right)
        left = a.best(steps, lambda aq, bq=bq: (aq @ bq - wanted).square().sum())
        aq = a.quantized(left)
        right = b.best(steps, lambda bq, aq=aq: (aq @ bq - wanted).square().sum())
    return left, right
