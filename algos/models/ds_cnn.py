"""A depthwise-separable CNN over time for seven exercises from a smartwatch: six channels, nine thousand parameters.

Source: arXiv:1711.07128 (Hello Edge, DS-CNN), in one dimension.
"""

from __future__ import annotations

from algos.examples import DS_CNN_FRONT
from algos.frameworks import nn, torch
from algos.models.shipped import load_weights


class Separable(nn.Module):
    """``relu(bn2(pointwise(relu(bn1(depthwise(x))))))``, halving the length."""

    def __init__(self, channels: int, out: int) -> None:
        """A depthwise convolution over five samples, then one over channels."""
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 5, 2, 2, groups=channels, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        self.relu1 = nn.ReLU()
        self.pointwise = nn.Conv1d(channels, out, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(out)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of shape (n, out, length / 2)."""
        x = self.relu1(self.bn1(self.depthwise(x)))
        return self.relu2(self.bn2(self.pointwise(x)))


class DSCNN(nn.Module):
    """Logits of seven exercises, shape (n, 7), from standardised windows, shape (n, 6, 128)."""

    def __init__(self) -> None:
        """A convolution, two separable blocks, the mean over time and a linear layer, with torch's random start."""
        super().__init__()
        self.conv = nn.Conv1d(6, 32, 7, 2, 3, bias=False)
        self.bn = nn.BatchNorm1d(32)
        self.relu = nn.ReLU()
        self.block1 = Separable(32, 64)
        self.block2 = Separable(64, 64)
        self.fc = nn.Linear(64, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        x = self.relu(self.bn(self.conv(x)))
        x = self.block2(self.block1(x))
        return self.fc(x.mean(2))


def make_model() -> DSCNN:
    """The network with the shipped weights, which `algos.training.train("ds-cnn")` makes."""
    return load_weights(DSCNN(), DS_CNN_FRONT)
