"""Changed windows: shapes stay, each change is what it says, the same seed gives the same bits."""

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: training (pip install 'hwsim[algos]')")

from algos.augmentation import Motion, rotations, stretched  # noqa: E402
from algos.data import WATCH_TEST, read_watch, windows  # noqa: E402
from algos.training import MODELS, WRIST, Batches  # noqa: E402

STILL = Motion(mean=(0.0,) * 6, deviation=(1.0,) * 6, turn=0, scale=0, slow=0, noise=0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(n=40):
    return torch.randn(n, 6, 128, generator=seeded(7))


def test_nothing_asked_nothing_changed():
    moved = replace(STILL, mean=WRIST.mean, deviation=WRIST.deviation)
    torch.testing.assert_close(moved(batch(), seeded()), batch(), atol=1e-5, rtol=0)


def test_same_seed_same_bits():
    first, again, other = (replace(WRIST, mix=True)(batch(), seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert first.shape == other.shape == (40, 6, 128)
    assert not torch.equal(first, other)


def test_rotations_turn_by_at_most_the_angle():
    turned = rotations(500, math.radians(20), seeded())
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3).expand(500, 3, 3), atol=1e-5, rtol=0)
    angles = torch.rad2deg(torch.acos(((turned.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1)))
    assert 18 < angles.max() < 20.1


def test_turning_keeps_the_size_of_vectors_in_the_sensors_units():
    mean, deviation = (torch.tensor(v)[:, None] for v in (WRIST.mean, WRIST.deviation))
    turned = replace(WRIST, scale=0, slow=0, noise=0)(batch(), seeded())
    sizes = [(x * deviation + mean).reshape(-1, 2, 3, 128).norm(dim=2) for x in (batch(), turned)]
    torch.testing.assert_close(*sizes, atol=1e-4, rtol=1e-4)


def test_scale_and_mix():
    ratio = replace(STILL, scale=0.2)(batch(), seeded()) / batch()
    assert (ratio.amax((1, 2)) - ratio.amin((1, 2))).max() < 1e-4
    assert math.exp(-0.2) - 1e-4 < ratio.min() < 0.9 < 1.1 < ratio.max() < math.exp(0.2) + 1e-4
    levels = torch.arange(40.0)[:, None, None].expand(40, 6, 128)
    mixed = replace(STILL, mix=True)(levels, seeded())
    assert torch.equal(mixed.amax((1, 2)), mixed.amin((1, 2)))
    assert (mixed - levels).abs().max() > 1


def test_stretched_keeps_a_part():
    ramp = torch.arange(128.0).expand(3, 1, 128)
    whole, first, last = stretched(ramp, torch.tensor([1, 0.5, 0.5]), torch.tensor([0.3, 0.0, 1.0]))[:, 0]
    torch.testing.assert_close(whole, ramp[0, 0])
    torch.testing.assert_close(first, ramp[0, 0] / 2)
    torch.testing.assert_close(last, (127 + ramp[0, 0]) / 2)


def test_batches_change_the_inputs_and_not_the_labels():
    example = replace(MODELS["ds-cnn"], augment=lambda x, rng: x + 1)
    x, y = batch(5).numpy(), np.arange(5)
    ((got, labels),) = Batches(example, x, y, 0)
    np.testing.assert_array_equal(got.numpy(), x[labels.numpy()] + 1)


@pytest.mark.usefixtures("smartwatch")
def test_the_wrists_units_are_the_training_windows():
    data = read_watch()
    pairs = zip(data["X"], data["subject"], strict=True)
    train = np.concatenate([windows(x) for x, subject in pairs if subject not in WATCH_TEST])
    np.testing.assert_allclose(train.mean((0, 2)), WRIST.mean, atol=0.006)
    np.testing.assert_allclose(train.std((0, 2)), WRIST.deviation, atol=0.006)
