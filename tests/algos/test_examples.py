"""The shipped files: small, real, and made the same way every time."""

import time

import numpy as np
import pytest

from algos.data import CLASSES, EXERCISES, watch
from algos.examples import (
    DS_CNN_FRONT,
    IMAGES,
    MLP_FRONT,
    RESNET8_FRONT,
    WATCH,
    WATCH_UNIT,
    write_front,
    write_images,
    write_watch,
)
from hwsim.front import load_front


def test_shipped_files_are_small():
    assert IMAGES.stat().st_size + MLP_FRONT.stat().st_size < 900_000
    assert RESNET8_FRONT.stat().st_size + DS_CNN_FRONT.stat().st_size < 400_000
    assert WATCH.stat().st_size < 400_000


def test_members():
    with np.load(IMAGES, allow_pickle=False) as z:
        kinds = {name: (z[name].dtype.kind, z[name].shape) for name in z.files}
        assert z["classes"].tolist() == list(CLASSES)
    assert kinds == {
        "images": ("u", (512, 28, 28)),
        "labels": ("u", (512,)),
        "calibration": ("u", (256, 28, 28)),
        "calibration_index": ("i", (256,)),
        "calibration_seed": ("i", ()),
        "classes": ("U", (10,)),
    }


def test_shipped_images_are_the_data_sets(fashion, tmp_path):
    write_images(tmp_path / "again.npz")
    with np.load(IMAGES) as z, np.load(tmp_path / "again.npz") as again:
        np.testing.assert_array_equal(z["images"], fashion["test"][0][:512])
        np.testing.assert_array_equal(z["labels"], fashion["test"][1][:512])
        np.testing.assert_array_equal(z["calibration"], fashion["train"][0][z["calibration_index"]])
        assert len(set(z["calibration_index"].tolist())) == 256
        for name in z.files:
            np.testing.assert_array_equal(z[name], again[name])


@pytest.mark.usefixtures("fashion")
def test_images_same_bytes_at_any_time(tmp_path, monkeypatch):
    write_images(tmp_path / "a.npz", test=3, calibration=2)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_images(tmp_path / "b.npz", test=3, calibration=2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_front_same_bytes_at_any_time(tmp_path, monkeypatch):
    front = load_front(MLP_FRONT)
    write_front(front, tmp_path / "a.npz")
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_front(load_front(tmp_path / "a.npz"), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_members_of_the_smartwatch_file():
    with np.load(WATCH, allow_pickle=False) as z:
        kinds = {name: (z[name].dtype.kind, z[name].shape) for name in z.files}
        assert z["exercises"].tolist() == list(EXERCISES)
        assert z["unit"] == WATCH_UNIT
        assert set(z["labels"]) == set(range(7))
    assert kinds == {
        "windows": ("i", (504, 6, 128)),
        "labels": ("u", (504,)),
        "calibration": ("i", (96, 6, 128)),
        "calibration_index": ("i", (96,)),
        "calibration_seed": ("i", ()),
        "unit": ("i", ()),
        "exercises": ("U", (7,)),
    }


@pytest.mark.usefixtures("smartwatch")
def test_shipped_windows_are_the_data_sets(tmp_path):
    """Not the same bytes: Python 3.11.2 writes other headers of a zip file than 3.11.7."""
    write_watch(tmp_path / "again.npz")
    with np.load(WATCH) as z, np.load(tmp_path / "again.npz") as again:
        assert again.files == z.files
        for name in z.files:
            assert again[name].dtype == z[name].dtype
            assert np.array_equal(again[name], z[name])
        reals = watch("train")[0][z["calibration_index"]]
        assert np.abs(z["calibration"] / WATCH_UNIT - reals).max() <= 0.5 / WATCH_UNIT
