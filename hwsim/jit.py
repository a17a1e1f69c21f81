"""The one place that calls numba's compiler.

Why: `njit(cache=True)` raises at import where neither the package folder nor the user's cache folder can be
written (a read-only install with no home). There the kernels are compiled per process instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` with numba, cached on disk where there is a disk to write."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)
