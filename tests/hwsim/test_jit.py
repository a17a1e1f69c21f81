import pickle
import shutil
import sys
from importlib import import_module, reload
from pathlib import Path

import numba
import pytest

import hwsim
from hwsim import jit as room
from hwsim.jit import Compiled, jit

SOURCE = """from hwsim.jit import jit


@jit
def twice(x):
    return 2 * x
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A file with one compiled function, and what it is cached in."""
    (tmp_path / "jit_of_a_test.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")  # beside the file
    numba.core.config.reload_config()
    yield import_module("jit_of_a_test"), tmp_path
    sys.modules.pop("jit_of_a_test", None)


def stamp_of(function):
    return function.dispatcher._cache._cache_file._source_stamp


def test_the_stamp_is_what_numba_writes_and_asks(module):
    """Numba keeps both names to itself: another numba may have others."""
    made, folder = module
    assert made.twice(4) == 8
    stamp = room._stamp(made.__file__)
    assert stamp_of(made.twice) == stamp
    (index,) = (folder / "__pycache__").glob("*twice*.nbi")
    with index.open("rb") as file:
        pickle.load(file)  # numba's version
        written, overloads = pickle.loads(file.read())
    assert written == stamp
    assert len(overloads) == 1
    assert sum(made.twice.dispatcher.stats.cache_hits.values()) == 0
    again = reload(made)
    assert again.twice(4) == 8
    assert sum(again.twice.dispatcher.stats.cache_hits.values()) == 1


def test_another_stamp_compiles_again(module, monkeypatch):
    made, _ = module
    assert made.twice(4) == 8
    monkeypatch.setattr(room, "_stamp", lambda file: "another")
    again = reload(made)
    assert again.twice(4) == 8
    assert sum(again.twice.dispatcher.stats.cache_hits.values()) == 0


@pytest.mark.parametrize("changed", ["kernels/tile.py", "kernels/llvm.py", "rounding.py", "contracts.py"])
def test_an_edit_of_a_kernel_is_another_stamp(tmp_path, monkeypatch, changed):
    here = Path(hwsim.__file__).parent
    shutil.copytree(here / "kernels", tmp_path / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("rounding.py", "jit.py", "contracts.py"):
        shutil.copy(here / name, tmp_path / name)
    monkeypatch.setattr(room, "__file__", str(tmp_path / "jit.py"))
    file = str(tmp_path / "contracts.py")
    room._stamp.cache_clear()
    before = room._stamp(file)
    room._stamp.cache_clear()
    assert room._stamp(file) == before
    with (tmp_path / changed).open("a") as text:
        text.write("# another\n")
    room._stamp.cache_clear()
    assert room._stamp(file) != before
    room._stamp.cache_clear()


def test_what_a_compiled_function_calls_is_compiled_with_it():
    @jit
    def one(x):
        return x + 1

    @jit
    def two(x):
        return one(one(x))

    assert isinstance(two, Compiled)
    assert two(1) == 3
    assert two.__name__ == "two"


def test_nowhere_to_write(module, monkeypatch):
    """Numba refuses to cache: the function is compiled for this process."""
    import numba

    made, _ = module
    compile_ = numba.njit

    def refuses(*args, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return compile_(*args, **options)

    monkeypatch.setattr(numba, "njit", refuses)
    assert made.twice(4) == 8
