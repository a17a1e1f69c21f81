"""The shipped example: a multilayer perceptron for Fashion-MNIST, 784-128-64-10, ReLU."""

from __future__ import annotations

from algos.examples import MLP_FRONT
from algos.frameworks import nn, torch
from algos.models.shipped import load_weights


class MLP(nn.Module):
    """Logits of ten classes, shape (n, 10), from images in [0, 1], shape (n, 28, 28)."""

    def __init__(self) -> None:
        """Three linear layers with torch's random start."""
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 128)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(128, 64)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a batch."""
        x = self.flatten(x)
        x = self.relu1(self.fc1(x))
        x = self.relu2(self.fc2(x))
        return self.fc3(x)


def make_model() -> MLP:
    """The network with the shipped weights, which `algos.training.train("mlp")` makes."""
    return load_weights(MLP(), MLP_FRONT)
