"""Fashion-MNIST and the smartwatch data: what is read, and what is said when it is not there or not it."""

import gzip

import numpy as np
import pytest

from algos import data
from algos.data import CLIP, fashion_mnist, read_idx, scaled, watch, watch_recordings, windows


def test_the_real_data_set(fashion):
    for split, n in (("train", 60000), ("test", 10000)):
        images, labels = fashion[split]
        assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((n, 28, 28), np.uint8, (n,), np.uint8)
        assert np.bincount(labels).tolist() == [n // 10] * 10
        assert (images.min(), images.max()) == (0, 255)


def test_absent_package_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HWSIM_FASHION_MNIST", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"nowhere.*apt-get install dataset-fashion-mnist.*HWSIM_FASHION_MNIST"):
        fashion_mnist("test")


def test_unknown_split():
    with pytest.raises(ValueError, match="split 'valid' is unknown: use one of train, test"):
        fashion_mnist("valid")


def idx(magic, sizes, payload):
    return gzip.compress(np.array([magic, *sizes], ">u4").tobytes() + bytes(payload), mtime=0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (idx(0x0803, (2, 2, 3), range(11)), r"holds 11 bytes, expected 12 for \(2, 2, 3\)"),
        (idx(0x0803, (2, 2, 3), range(13)), "holds 13 bytes, expected 12"),
        (idx(0x0801, (2, 2, 3), range(12)), r"header \[2049, 2, 2, 3\], expected \[2051, 2, 2, 3\]"),
        (idx(0x0803, (2, 3, 2), range(12)), r"header \[2051, 2, 3, 2\], expected"),
        (gzip.compress(b"abc", mtime=0), r"header \[\], expected"),
        (b"no gzip at all", "cannot be read"),
        (idx(0x0803, (2, 2, 3), range(12))[:-9], "cannot be read"),
        (b"", r"header \[\], expected"),
    ],
    ids=[
        "short",
        "long",
        "magic",
        "sizes",
        "no header",
        "no gzip",
        "cut off",
        "empty",
    ],  # both xdist workers must agree
)
def test_files_that_are_not_the_data(tmp_path, content, told):
    (tmp_path / "x.gz").write_bytes(content)
    with pytest.raises(ValueError, match=told):
        read_idx(tmp_path / "x.gz", (2, 2, 3))


def test_a_good_file(tmp_path):
    (tmp_path / "x.gz").write_bytes(idx(0x0803, (2, 2, 3), range(12)))
    np.testing.assert_array_equal(read_idx(tmp_path / "x.gz", (2, 2, 3)), np.arange(12).reshape(2, 2, 3))


def test_labels_outside_the_classes(tmp_path, monkeypatch):
    monkeypatch.setenv("HWSIM_FASHION_MNIST", str(tmp_path))
    monkeypatch.setattr(data, "SPLITS", {"test": ("t10k", 2)})
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx(0x0803, (2, 28, 28), bytes(2 * 784)))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(0x0801, (2,), [3, 10]))
    with pytest.raises(ValueError, match="labels reach 10"):
        fashion_mnist("test")


def test_scaled_is_a_256th_step_grid_from_0_to_1():
    x = scaled(np.arange(256, dtype=np.uint8))
    assert x.dtype == np.float32
    assert (x[0], x[51], x[255]) == (0, np.float32(0.2), 1)


def test_the_real_smartwatch_data(smartwatch):
    for split, n in (("train", 2832), ("test", 773)):
        x, labels = smartwatch[split]
        assert (x.shape, x.dtype, labels.shape, labels.dtype) == ((n, 6, 128), np.float32, (n,), np.uint8)
        assert set(labels) == set(range(7))
        assert np.abs(x).max() == CLIP
    assert np.abs(smartwatch["train"][0].mean((0, 2))).max() < 0.02  # clipping moves it a little
    subjects = {split: set(watch_recordings(split)[2].tolist()) for split in ("train", "test")}
    assert subjects == {"train": set(range(1, 9)), "test": {9, 10}}


def test_windows_by_hand():
    x = np.arange(2 * 300).reshape(300, 2)
    cut = windows(x)
    assert cut.shape == (3, 2, 128)
    assert cut[1, 0, 0] == x[64, 0]
    assert cut[2, 1, 127] == x[255, 1]


def test_absent_smartwatch_data_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install --no-deps seglearn==1\.2\.5"):
        watch("test")
    with pytest.raises(ValueError, match="split 'valid' is unknown"):
        watch("valid")


def test_another_smartwatch_file_is_never_unpickled(monkeypatch, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "watch_dataset.npy").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match=r"has SHA-256 .*not that of seglearn 1\.2\.5"):
        watch("train")
