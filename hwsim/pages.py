"""Constants that lie in their file: pages come when they are read and may go, for the file still holds them.

Whoever reads a mapped array reads the file, which must not be written in place: `hwsim.save` renames a new one.
"""

from __future__ import annotations

import mmap
import os
from typing import IO, Any

from .formats import Codes

LEAST = 1 << 16
"""Bytes from which an array stays in its file: smaller ones would share pages with their neighbours."""


def mapped(file: IO[bytes]) -> memoryview | None:
    """All of `file`, read-only, read when it is looked at; None where that saves nothing, or is not possible."""
    if os.name != "posix" or os.fstat(file.fileno()).st_size < LEAST:  # elsewhere a mapped file cannot be replaced
        return None
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def give_back(x: Codes | memoryview) -> bool:
    """Let the pages of the file that `x` lies in go: they come again when read. False where it lies in none."""
    owner: Any = x
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
    if owner is None or not hasattr(mmap, "MADV_DONTNEED"):
        return False
    owner.madvise(mmap.MADV_DONTNEED)
    return True
