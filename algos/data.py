"""Data sets from installed packages, Debian's or Python's; nothing is downloaded here."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts it; the environment variable HWSIM_FASHION_MNIST overrides."""
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
WATCH_SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
"""Of ``watch_dataset.npy`` in seglearn 1.2.5. Why pinned: the file is a pickle, which can run code when it is read."""
EXERCISES = ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
WATCH_TEST = (9, 10)
WINDOW, STEP = 128, 64
CLIP = 6.0  # standard deviations: single shocks reach 29, and would take most of the codes of an 8-bit input
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


def watch(split: str, out: tuple[int, ...] = WATCH_TEST) -> tuple[NDArray[np.float32], Bytes]:
    """Shoulder exercises from a smartwatch: windows, float32 shape (n, 6, 128), and labels, uint8 shape (n,).

    140 recordings of 10 subjects, six channels (acceleration and angular rate, three axes each) at 50 Hz, cut into
    windows of 128 samples every 64, standardised by the training windows' mean and deviation of each channel, and
    clipped to `CLIP` deviations.

    Args:
        split: ``train`` or ``test``; see `EXERCISES`.
        out: the test subjects, of 1 to 10, whom training never sees.

    Raises:
        ValueError: unknown split, seglearn not installed, or another file than the pinned one.

    Source: D. M. Burns et al., Physiol. Meas. 39 075007 (2018); PyPI seglearn 1.2.5, BSD.
    """
    parts, labels, _ = watch_recordings(split, out)
    return np.concatenate(parts), np.repeat(labels, [len(w) for w in parts])


def watch_recordings(
    split: str, out: tuple[int, ...] = WATCH_TEST
) -> tuple[list[NDArray[np.float32]], Bytes, NDArray[np.int64]]:
    """As `watch`, recording by recording: standardised windows of each, their labels and subjects."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown: use one of {', '.join(SPLITS)}")
    data = read_watch()
    held_out = np.isin(data["subject"], out)
    train = np.concatenate([windows(x) for x, left in zip(data["X"], held_out, strict=True) if not left])
    mean, deviation = (f(train, axis=(0, 2), keepdims=True) for f in (np.mean, np.std))
    chosen = np.flatnonzero(held_out == (split == "test"))
    scaled_windows = [(windows(data["X"][i]) - mean) / deviation for i in chosen]
    parts = [np.clip(w, -CLIP, CLIP).astype(np.float32) for w in scaled_windows]
    return parts, data["y"][chosen].astype(np.uint8), data["subject"][chosen].astype(np.int64)


def windows(x: NDArray[Any]) -> NDArray[Any]:
    """Windows of a recording of shape (time, channels), shape (n, channels, `WINDOW`), every `STEP` samples."""
    return np.lib.stride_tricks.sliding_window_view(x, WINDOW, axis=0)[::STEP]


def read_watch() -> dict[str, Any]:
    """What seglearn's file holds: X, list of (time, 6); y and subject, one an entry; ValueError for another file."""
    package = importlib.util.find_spec("seglearn")  # Why not imported: it needs scikit-learn and pandas
    if package is None or not package.submodule_search_locations:
        raise ValueError("the smartwatch data is not there: pip install --no-deps seglearn==1.2.5")
    content = (Path(package.submodule_search_locations[0]) / "data" / "watch_dataset.npy").read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != WATCH_SHA256:
        raise ValueError(f"watch_dataset.npy has SHA-256 {found}, not that of seglearn 1.2.5; install that version")
    return np.load(io.BytesIO(content), allow_pickle=True).item()
