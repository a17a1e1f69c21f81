"""What ``package.module:function`` names: the user's own Python, and one line for whatever happens in it."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..formats import Reals
from .errors import EXTRAS


@contextmanager
def user_code(spec: str) -> Iterator[None]:
    """Run code of the user's: modules of this folder can be imported, errors name `spec` and the user's line."""
    here = os.getcwd()
    sys.path.insert(0, here)  # as `python -m` does: the user's file is usually right here
    try:
        yield
    except ModuleNotFoundError as e:
        if e.name in EXTRAS:
            raise
        raise ValueError(f"{spec}: no module {e.name!r} in this folder or among the installed packages") from None
    except (Exception, SystemExit) as e:  # anything can happen in the user's code; name the line
        raise ValueError(f"{spec}: {type(e).__name__}: {e}{last_line(e)}") from e
    finally:
        sys.path.remove(here)


def imported(spec: str) -> Any:
    """What `spec` names, inside `user_code`."""
    module, _, name = spec.partition(":")
    made: Any = importlib.import_module(module)
    for part in name.split("."):
        made = getattr(made, part)
    return made


def last_line(error: BaseException) -> str:
    """`` at file.py:12`` where the user's code raised; nothing where it was ours or the import system's."""
    ours = Path(__file__).parent
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent != ours]
    own = [f for f in frames if not f.filename.startswith("<") and Path(f.filename).parent.name != "importlib"]
    return f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""


@dataclass(frozen=True)
class UserFunction:
    """A function of reals of the user's, an array at a time; it travels to other processes as its `spec`.

    Args:
        spec: ``package.module:function``.
        one_by_one: it takes one float, not an array.
    """

    spec: str
    one_by_one: bool = False

    @cached_property
    def fn(self) -> Callable[[Any], Any]:
        """The function itself."""
        with user_code(self.spec):
            made = imported(self.spec)
        if not callable(made):
            raise ValueError(f"{self.spec}: gives a {type(made).__name__}, must be a function of a real")
        return np.vectorize(made, otypes=[np.float64]) if self.one_by_one else made

    @property
    def __name__(self) -> str:
        """Its own name."""
        return self.spec.rpartition(":")[2]

    def __call__(self, x: Reals) -> Reals:
        """The function of each of `x`."""
        fn = self.fn
        with user_code(self.spec):
            return np.asarray(fn(x), np.float64)

    def __reduce__(self) -> tuple[Any, ...]:
        """Its spec alone: the function may be one that pickle refuses."""
        return UserFunction, (self.spec, self.one_by_one)


def user_function(spec: str, span: tuple[float, float]) -> UserFunction:
    """The function that `spec` names, whether it takes arrays or floats; tried in the middle of `span`."""
    middle = np.array([0.5 * span[0] + 0.5 * span[1]] * 2)
    whole = UserFunction(spec)
    assert callable(whole.fn)  # loaded here, so that only its failure on arrays is forgiven
    try:
        if whole(middle).shape == middle.shape:
            return whole
    except ValueError:
        pass
    single = UserFunction(spec, one_by_one=True)
    single(middle)
    return single
