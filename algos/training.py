"""Seeded training of the example networks: AdamW, warm-up and cosine, mirrored images, turned sensors."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from .augmentation import Augment, Motion
from .data import Bytes, fashion_mnist, watch
from .evaluation import evaluate
from .examples import (
    DS_CNN_FRONT,
    IMAGES,
    MLP_FRONT,
    RESNET8_FRONT,
    VIT_FRONT,
    WATCH,
    write_front,
    write_images,
    write_watch,
)
from .export import export
from .frameworks import nn, one_thread, torch
from .models.ds_cnn import DSCNN
from .models.mlp import MLP
from .models.resnet8 import ResNet8
from .models.vit_tiny import ViT


@dataclass(frozen=True, kw_only=True)
class Example:
    """A network, its data and how it is trained.

    Args:
        build: the network with random weights.
        data: split -> (images, labels).
        front: its shipped front graph.
        sample: file with a part of the data, shipped beside it.
        write_sample: writes that file to a path.
        unit: what the model's 1.0 is in the data's numbers.
        epochs: passes over the training set.
        batch: images a step.
        rate: peak learning rate.
        weight_decay: AdamW's, decoupled.
        smoothing: of the labels.
        mirror: flip half of the images left to right.
        augment: changes each batch of reals at random, after the mirroring.
    """

    build: Callable[[], nn.Module]
    data: Callable[[str], tuple[NDArray[Any], Bytes]] = fashion_mnist
    front: Path = MLP_FRONT
    sample: Path = IMAGES
    write_sample: Callable[[Path], None] = write_images
    unit: float = 255
    epochs: int = 60
    batch: int = 256
    rate: float = 3e-3
    weight_decay: float = 0.1
    smoothing: float = 0.1
    mirror: bool = True
    augment: Augment | None = None

    def reals(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """What the model takes: the data in its unit, float32."""
        return x.astype(np.float32) / np.float32(self.unit)


WRIST = Motion(
    mean=(-0.01, 0.38, -0.14, 0.02, -0.01, 0.01), deviation=(0.93, 0.50, 0.55, 1.01, 2.56, 1.09),
    turn=20, scale=0.2, slow=0.2, noise=0.05,
)  # fmt: skip
"""For `watch`: mean and deviation of its training windows, in the sensor's units."""

MODELS: dict[str, Example] = {
    # Why these settings: of some 30 tried on 6,000 training images held out, these and their neighbours were best
    # (90.3 to 90.8 %, the spread of seeds); shifted images and dropout cost accuracy: the network is small for the
    # data. The test images chose nothing.
    "mlp": Example(build=MLP),
    "resnet8": Example(build=ResNet8, front=RESNET8_FRONT, epochs=20, batch=128, rate=5e-3, weight_decay=0.05),
    "vit-tiny": Example(build=ViT, front=VIT_FRONT, epochs=40, batch=128, rate=2e-3, weight_decay=0.05),
    # Why augmented: on training subjects left out (four pairs, two seeds) 88.6 % are right, without it 84.7. Twelve
    # augmentations were tried so, most with one seed; the best were within the spread of seeds (up to three points),
    # and this is the mildest of them. The test subjects chose nothing.
    "ds-cnn": Example(
        build=DSCNN, front=DS_CNN_FRONT, data=watch, sample=WATCH, write_sample=write_watch, unit=1,
        epochs=30, batch=64, weight_decay=0.05, mirror=False, augment=WRIST,
    ),
}  # fmt: skip


def train(
    name: str, seed: int = 0, out: str | os.PathLike[str] | None = None, *, quiet: bool = False
) -> dict[str, Any]:
    """Train one of `MODELS`; return what came of it.

    Args:
        name: which one.
        seed: of the first weights, the order of the images and their random changes; the same seed gives the same
            bits on one machine.
        out: folder for the front graph and a sample of the images, as shipped in ``hwsim/app/examples``.
        quiet: no progress bar.

    Returns:
        model, seed, epochs, train_accuracy, test_accuracy (fractions of all images), cpu_seconds.
    """
    if name not in MODELS:
        raise ValueError(f"model {name!r} is unknown: use one of {', '.join(MODELS)}")
    example, start = MODELS[name], time.process_time()
    (x, labels), (test, test_labels) = example.data("train"), example.data("test")
    model = fit(example, x, labels, seed, quiet=quiet)
    metrics = {
        "model": name,
        "seed": seed,
        "epochs": example.epochs,
        "train_accuracy": evaluate(model, example.reals(x), labels)["accuracy"],
        "test_accuracy": evaluate(model, example.reals(test), test_labels)["accuracy"],
        "cpu_seconds": round(time.process_time() - start, 1),
    }
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        write_front(export(model, example.reals(x[:2])), Path(out) / example.front.name)
        example.write_sample(Path(out) / example.sample.name)
    return metrics


class Batches:
    """The training set in a new order each time it is walked, changed at random: (reals, labels) of `size` samples."""

    def __init__(self, example: Example, data: NDArray[Any], labels: NDArray[Any], seed: int) -> None:
        """Inputs (n, ...) as the example's data has them, labels (n,)."""
        self.example = example
        self.rng = torch.Generator().manual_seed(seed)
        self.x, self.y = torch.from_numpy(data.copy()), torch.from_numpy(labels.astype(np.int64))

    def __len__(self) -> int:
        """Batches a walk."""
        return math.ceil(len(self.x) / self.example.batch)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One walk."""
        for chosen in torch.split(torch.randperm(len(self.x), generator=self.rng), self.example.batch):
            batch = self.x[chosen].float() / self.example.unit
            if self.example.mirror:
                mirrored = torch.rand(len(batch), 1, 1, generator=self.rng) < 0.5
                batch = torch.where(mirrored, batch.flip(-1), batch)
            if self.example.augment is not None:
                batch = self.example.augment(batch, self.rng)
            yield batch, self.y[chosen]


def fit(example: Example, data: NDArray[Any], labels: NDArray[Any], seed: int, *, quiet: bool = False) -> nn.Module:
    """The network of `example`, trained on inputs (n, ...) as its data has them, with labels (n,)."""
    batches = Batches(example, data, labels, seed)
    steps = example.epochs * len(batches)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = example.build().train().to(memory_format=torch.channels_last)  # a third faster on CPUs
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=example.weight_decay)
        shares = iter(learning_rate(step, steps) for step in range(steps))
        for _ in tqdm(range(example.epochs), desc=f"train, seed {seed}", unit="epoch", disable=quiet):
            for batch, wanted in batches:
                loss: Any = nn.functional.cross_entropy(model(batch), wanted, label_smoothing=example.smoothing)
                optimizer.param_groups[0]["lr"] = example.rate * next(shares)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return model.eval().to(memory_format=torch.contiguous_format)


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate at `step`: half a cosine down to 0; a linear rise over 400 steps or the first tenth."""
    return min(1.0, (step + 1) / min(400, steps / 10)) * 0.5 * (1 + math.cos(math.pi * step / steps))
