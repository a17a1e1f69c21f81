"""Data sets from packages of the operating system; nothing is downloaded here."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts it; the environment variable HWSIM_FASHION_MNIST overrides."""
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SPLITS = {"train": ("train", 60000), "test": ("t10k", 10000)}


def fashion_mnist(split: str) -> tuple[Bytes, Bytes]:
    """Fashion-MNIST: images, uint8 shape (n, 28, 28), 0 background to 255, and labels, uint8 shape (n,), see `CLASSES`.

    Args:
        split: ``train`` (60,000) or ``test`` (10,000).

    Raises:
        ValueError: unknown split, package not installed, or files that are not the data set.

    Source: arXiv:1708.07747.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown: use one of {', '.join(SPLITS)}")
    stem, n = SPLITS[split]
    folder = Path(os.environ.get("HWSIM_FASHION_MNIST") or FASHION_MNIST)
    images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz", (n, 28, 28))
    labels = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz", (n,))
    if labels.max() >= len(CLASSES):
        raise ValueError(f"{stem} labels reach {labels.max()}; Fashion-MNIST has classes 0..{len(CLASSES) - 1}")
    return images, labels


def scaled(images: Bytes) -> NDArray[np.float32]:
    """``images / 255``, what the models here take: reals in [0, 1]."""
    return images.astype(np.float32) / np.float32(255)


def read_idx(path: Path, shape: tuple[int, ...]) -> Bytes:
    """A gzipped IDX file of bytes: big-endian magic 0x08, axes; sizes; numbers. ValueError if it is not of `shape`."""
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(
            f"{path} is not there: apt-get install dataset-fashion-mnist, or set HWSIM_FASHION_MNIST to its folder"
        ) from None
    except (OSError, EOFError) as e:
        raise ValueError(f"{path} cannot be read ({e}): install dataset-fashion-mnist again") from None
    header = np.frombuffer(data[: 4 + 4 * len(shape)], ">u4").tolist() if len(data) >= 4 + 4 * len(shape) else []
    wanted = [0x0800 + len(shape), *shape]
    if header != wanted:
        raise ValueError(f"{path} is no IDX file of bytes {shape}: header {header}, expected {wanted}")
    numbers = np.frombuffer(data, np.uint8, offset=4 * len(wanted))
    if numbers.size != np.prod(shape):
        raise ValueError(f"{path} holds {numbers.size} bytes, expected {int(np.prod(shape))} for {shape}")
    return numbers.reshape(shape)
