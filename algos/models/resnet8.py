"""The residual network of MLPerf Tiny for Fashion-MNIST: 16, 32, 64 channels, batch norm, 78 thousand parameters.

Source: arXiv:2106.07597 (MLPerf Tiny, image classification), with one input channel.
"""

from __future__ import annotations

from algos.examples import RESNET8_FRONT
from algos.frameworks import nn, torch
from algos.models.shipped import load_weights


class Stage(nn.Module):
    """``relu(shortcut(x) + bn2(conv2(relu(bn1(conv1(x))))))``; the shortcut is a 1x1 convolution where sizes change."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        """Two 3x3 convolutions, the first with the stride."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of shape (n, out, h / stride, w / stride)."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu2(self.shortcut(x) + y)


class ResNet8(nn.Module):
    """Logits of ten classes, shape (n, 10), from images in [0, 1], shape (n, 28, 28) or (n, 1, 28, 28)."""

    def __init__(self) -> None:
        """Seven 3x3 convolutions in four stages and a linear layer, with torch's random start."""
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.stage1 = Stage(16, 16, 1)
        self.stage2 = Stage(16, 32, 2)
        self.stage3 = Stage(32, 64, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        x = x.reshape(-1, 1, 28, 28)
        x = self.relu(self.bn(self.conv(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(self.flatten(self.pool(x)))


def make_model() -> ResNet8:
    """The network with the shipped weights, which `algos.training.train("resnet8")` makes."""
    return load_weights(ResNet8(), RESNET8_FRONT)
