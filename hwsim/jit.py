"""The one place that calls numba's compiler, at the first call: `import hwsim` needs no compiler.

Why: `njit(cache=True)` raises where neither the package folder nor the user's cache folder can be written (a read-only
install with no home). There the kernels are compiled per process instead.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache, update_wrapper
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any


class Compiled:
    """A function that numba compiles when it is first called; so are the ones it calls."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        """Result of the compiled function."""
        return self.dispatcher(*args)

    @cached_property
    def dispatcher(self) -> Callable[..., Any]:
        """What numba makes of it, cached on disk where there is a disk to write."""
        import numba

        names = self.function.__globals__
        for name in self.function.__code__.co_names:  # numba knows its own dispatchers alone
            if isinstance(callee := names.get(name), Compiled) and callee is not self:
                names[name] = callee.dispatcher
        for cell in self.function.__closure__ or ():
            if isinstance(cell.cell_contents, Compiled):
                cell.cell_contents = cell.cell_contents.dispatcher
        try:
            made: Any = numba.njit(cache=True, nogil=True)(self.function)
        except RuntimeError:
            return numba.njit(nogil=True)(self.function)
        # Why: numba's own stamp is that of the function's file; what it calls may have changed all the same.
        made._cache._cache_file._source_stamp = _stamp(self.function.__code__.co_filename)
        return made


@lru_cache
def _stamp(file: str) -> str:
    """Digest of everything that the compiled code of `file` may be made of."""
    here = Path(__file__).parent
    sources = sorted({Path(file), here / "rounding.py", *(here / "kernels").glob("*.py")})
    return sha256(b"".join(s.read_bytes() for s in sources)).hexdigest()


def jit(function: Callable[..., Any]) -> Compiled:
    """Compile `function` with numba when it is first called."""
    assert isinstance(function, FunctionType)
    return Compiled(function)
