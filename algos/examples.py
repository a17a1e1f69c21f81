"""The files in ``hwsim/app/examples`` with which ``hwsim build`` runs out of the box, and how they are made.

``mlp.front.npz`` is a front graph; ``fashion_mnist.npz`` holds a few real images. Same inputs, same bytes.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import numpy as np

from hwsim.front import FrontGraph, dumps_front

from .data import CLASSES, fashion_mnist

FOLDER = Path(str(files("hwsim.app.examples")))
MLP_FRONT = FOLDER / "mlp.front.npz"
IMAGES = FOLDER / "fashion_mnist.npz"


def write_front(front: FrontGraph, path: str | os.PathLike[str]) -> None:
    """`front` as a file for `hwsim.front.load_front`."""
    Path(path).write_bytes(dumps_front(front))


def write_images(path: str | os.PathLike[str], *, test: int = 512, calibration: int = 256, seed: int = 0) -> None:
    """A part of Fashion-MNIST as ``.npz``, to try and to calibrate models on.

    Members: ``images`` uint8 (test, 28, 28) and ``labels`` uint8 (test,), the first of the test set; ``calibration``
    uint8 (calibration, 28, 28), drawn from the training set without replacement by ``default_rng(seed)``, with
    ``calibration_index`` (their places there) and ``calibration_seed``; ``classes``, the ten names.
    """
    images, labels = fashion_mnist("test")
    pool, _ = fashion_mnist("train")
    index = np.random.default_rng(seed).choice(len(pool), calibration, replace=False)
    with Path(path).open("wb") as f:  # Why a handle: numpy appends .npz to names; its zip entries are dated 1980
        np.savez_compressed(
            f,
            images=images[:test],
            labels=labels[:test],
            calibration=pool[index],
            calibration_index=index,
            calibration_seed=np.int64(seed),
            classes=np.array(CLASSES),
        )
