"""What tests of algos need from outside: torch, Debian's dataset-fashion-mnist, seglearn; in CI all must be there."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from algos.data import FASHION_MNIST, fashion_mnist, watch

IN_CI = os.environ.get("CI") == "true"

if IN_CI and importlib.util.find_spec("torch") is None:
    raise pytest.UsageError("CI=true but torch is not installed: pip install 'hwsim[test]'")


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def fashion():
    """Both splits of the full data set; left out where the package is not installed, except in CI."""
    folder = Path(os.environ.get("HWSIM_FASHION_MNIST") or FASHION_MNIST)
    if not folder.is_dir() and not IN_CI:
        pytest.skip(f"left out: comparison with the full Fashion-MNIST; {folder} is not there")
    return {split: fashion_mnist(split) for split in ("train", "test")}


@pytest.fixture(scope="session")
def smartwatch():
    """Both splits of seglearn's data; left out where it is not installed, except in CI."""
    if importlib.util.find_spec("seglearn") is None and not IN_CI:
        pytest.skip("left out: the smartwatch data; pip install --no-deps seglearn==1.2.5")
    return {split: watch(split) for split in ("train", "test")}


@pytest.fixture(scope="session")
def toy():
    """Images that are easy to learn: class k has its own bright rows; uint8 (600, 28, 28) and labels (600,)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 600).astype(np.uint8)
    images = rng.integers(0, 100, (600, 28, 28)).astype(np.uint8)
    for k in range(10):
        images[labels == k, 2 * k + 2 : 2 * k + 5] += 120
    return images, labels
