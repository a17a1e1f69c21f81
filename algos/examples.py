"""The files in ``hwsim/app/examples`` with which ``hwsim build`` runs out of the box, and how they are made.

``NAME.front.npz`` is a front graph; ``fashion_mnist.npz`` and ``watch.npz`` hold a few real images and windows of a
smartwatch's sensors. Same inputs, same bytes.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.front import FrontGraph, dumps_front

from .data import CLASSES, EXERCISES, fashion_mnist, watch_recordings

FOLDER = Path(str(files("hwsim.app.examples")))
MLP_FRONT = FOLDER / "mlp.front.npz"
RESNET8_FRONT = FOLDER / "resnet8.front.npz"
DS_CNN_FRONT = FOLDER / "ds-cnn.front.npz"
VIT_FRONT = FOLDER / "vit-tiny.front.npz"
IMAGES = FOLDER / "fashion_mnist.npz"
WATCH = FOLDER / "watch.npz"
WATCH_UNIT = 128  # steps in the standardised 1.0 of ``watch.npz``


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


def write_watch(path: str | os.PathLike[str], *, per_recording: int = 18, calibration: int = 96, seed: int = 0) -> None:
    """A part of the smartwatch data as ``.npz``, to try and to calibrate models on.

    Members: ``windows`` int16 (n, 6, 128) and ``labels`` uint8 (n,), the first windows of each recording of the test
    subjects; ``calibration`` int16 (calibration, 6, 128), drawn from the training subjects' windows without
    replacement by ``default_rng(seed)``, with ``calibration_index`` and ``calibration_seed``; ``unit``: real numbers
    are ``windows / unit``, to 1/128 of a standard deviation; ``exercises``, the seven names.
    """
    recordings, labels, _ = watch_recordings("test")
    parts = [w[:per_recording] for w in recordings]
    pool = np.concatenate(watch_recordings("train")[0])
    index = np.random.default_rng(seed).choice(len(pool), calibration, replace=False)
    with Path(path).open("wb") as f:
        np.savez_compressed(
            f,
            windows=as_steps(np.concatenate(parts)),
            labels=np.repeat(labels, [len(p) for p in parts]),
            calibration=as_steps(pool[index]),
            calibration_index=index,
            calibration_seed=np.int64(seed),
            unit=np.int64(WATCH_UNIT),
            exercises=np.array(EXERCISES),
        )


def as_steps(x: NDArray[np.float32]) -> NDArray[np.int16]:
    """`x` in units of ``1 / WATCH_UNIT``, rounded half to even."""
    return np.clip(np.rint(x * WATCH_UNIT), -(1 << 15), (1 << 15) - 1).astype(np.int16)
