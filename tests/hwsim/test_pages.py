import io
import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from hwsim.pages import LEAST, give_back, mapped


@pytest.fixture
def file(tmp_path):
    """A file of `size` bytes, 0, 1, 2 ..., and its content."""

    def make(size):
        content = (np.arange(size) % 251).astype(np.uint8).tobytes()
        (tmp_path / "x").write_bytes(content)
        return tmp_path / "x", content

    return make


def test_a_large_file_is_seen_where_it_is_and_outlives_its_name(file):
    path, content = file(LEAST)
    with path.open("rb") as f:
        data = mapped(f)
    path.unlink()
    assert isinstance(data.obj, mmap.mmap)
    assert data.readonly
    assert data == content


def test_a_small_file_is_not_mapped(file):
    for size in (0, 1, LEAST - 1):
        with file(size)[0].open("rb") as f:
            assert mapped(f) is None


def test_a_pipe_is_not_mapped():
    read, write = os.pipe()
    with os.fdopen(read, "rb") as f, os.fdopen(write, "wb"):
        assert mapped(f) is None


def test_pages_come_again_after_they_were_given_back(file):
    path, content = file(4 * LEAST)
    with path.open("rb") as f:
        data = mapped(f)
    codes = np.frombuffer(data, np.uint8)[3:-5].view(np.int8)[::2]
    want = codes.copy()
    assert give_back(codes)
    assert (codes == want).all()
    assert give_back(data)
    assert data == content


def resident(address):
    """KiB in memory of the mapping that holds `address`."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first = line.split()[0]
        if "-" in first:
            inside = int(first.split("-")[0], 16) <= address < int(first.split("-")[1], 16)
        elif inside and first == "Rss:":
            return int(line.split()[1])
    raise AssertionError(address)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="this system has no /proc")
def test_given_back_pages_take_no_memory(file):
    path, _ = file(1 << 22)
    with path.open("rb") as f:
        codes = np.frombuffer(mapped(f), np.uint8)
    assert resident(codes.ctypes.data) < 1 << 10
    codes.sum()
    assert resident(codes.ctypes.data) == 1 << 12
    give_back(codes)
    assert resident(codes.ctypes.data) == 0


def test_what_lies_in_no_file_has_no_pages_to_give():
    for x in (np.zeros(LEAST, np.int8), np.frombuffer(bytes(LEAST), np.int8), memoryview(io.BytesIO(b"x").getvalue())):
        assert give_back(x) is False
