"""Arrays that end where memory ends: whoever reads past them ends the process."""

import ctypes
import mmap

import numpy as np


def before_a_fence(x):
    """A copy of `x` whose last byte is the last of a page, the next one cannot be read."""
    page = mmap.PAGESIZE
    size = -(-x.nbytes // page) * page
    memory = mmap.mmap(-1, size + page)
    at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(at + size), page, 0) == 0
    y = np.frombuffer(memory, x.dtype, x.size, size - x.nbytes).reshape(x.shape)
    y[...] = x
    return y
