import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwsim.kernels import native
from hwsim.kernels.native import Native

SOURCE = """
import numpy as np
from hwsim.jit import jit
@jit
def square(x):
    return x * x
@jit
def add(x, y, by):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += square(y[j]) + by
@jit
def fails(x):
    if x == 3:
        raise ValueError("three")
@jit
def owns(x, n):
    x[:n] = np.arange(n)[::-1].copy()
"""
ADD = "void(int64[:, ::1], int32[::1], int64)"


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """The module of `SOURCE`, with a line in the place of another, and an empty folder for object files."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))

    def make(old="", new=""):
        path = tmp_path / "kernels.py"
        path.write_text(SOURCE.replace(old, new) if old else SOURCE)
        spec = importlib.util.spec_from_file_location("kernels", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        native._stamp.cache_clear()
        return module

    return make


def added(kernel, by=7):
    x, y = np.arange(12).reshape(3, 4), np.array([1, -2, 3, 100_000], np.int32)
    kernel(x, y, by)
    return x.tolist()


def objects(tmp_path):
    return sorted(tmp_path.rglob("*.o"))


WANT = (np.arange(12).reshape(3, 4) + np.array([1, 4, 9, 10**10]) + 7).tolist()


def test_an_object_file_is_written_and_used_and_a_changed_source_makes_another(kernels, tmp_path, monkeypatch):
    assert added(Native(kernels().add, ADD)) == WANT
    assert len(objects(tmp_path)) == 1
    with monkeypatch.context() as m:
        m.setattr(Native, "_compiled", None)
        again = Native(kernels().add, ADD)
        assert added(again) == WANT
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(added, [again] * 40)) == [WANT] * 40
    assert added(Native(kernels("+ by", "+ by + 1").add, ADD)) == (np.array(WANT) + 1).tolist()
    assert len(objects(tmp_path)) == 2


DAMAGE = (lambda d: d[:-1], lambda d: b"", lambda d: d[:40], lambda d: d[:99] + b"?" + d[100:])


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_object_file_is_made_again(kernels, tmp_path, damage):
    Native(kernels().add, ADD)(np.zeros((1, 1), np.int64), np.zeros(1, np.int32), 0)
    (place,) = objects(tmp_path)
    good = place.read_bytes()
    place.write_bytes(damage(good))
    assert added(Native(kernels().add, ADD)) == WANT
    assert place.read_bytes() == good


def test_another_processor_takes_another_file(kernels, tmp_path, monkeypatch):
    first = Native(kernels().add, ADD)._places()
    native._machine.cache_clear()
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64")
    try:
        assert Native(kernels().add, ADD)._places() != first
    finally:
        native._machine.cache_clear()


def test_code_that_needs_numba_is_numba_s(kernels, tmp_path):
    x = np.zeros(5, np.int64)
    kernel = Native(kernels().owns, "void(int64[::1], int64)")
    kernel(x, 5)
    assert x.tolist() == [4, 3, 2, 1, 0]
    assert kernel._make == kernel._numba
    assert objects(tmp_path) == []


def test_an_error_is_no_silence(kernels):
    kernel = Native(kernels().fails, "void(int64)")
    kernel(2)
    with pytest.raises((RuntimeError, ValueError), match=r"status 1|three"):
        kernel(3)


def test_where_nothing_can_be_written_it_still_runs(kernels, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(native, "_read", lambda place: None)
    assert native._written(tmp_path / "file" / "x.o", b"") is False
    assert native._written(native.Path("~/x.o"), b"") is False


def test_a_process_that_finds_the_file_needs_no_numba(kernels, tmp_path):
    assert added(Native(kernels().add, ADD)) == WANT
    script = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import kernels, numpy as np
from hwsim.kernels.native import Native
x = np.zeros((1, 2), np.int64)
Native(kernels.add, {ADD!r})(x, np.array([2, 3], np.int32), 1)
print(x.tolist(), "numba" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=dict(os.environ))
    assert ran.stdout == "[[5, 10]] False\n", ran.stderr
