"""Hypothesis: same examples every run, no deadline (numba compiles inside tests), nothing written to disk.

Why a cache folder of its own: numba renews a cached kernel when the kernel's own file changes, not when a function
that it calls does. Tests must never run a stale one, so the folder is named after all sources.
"""

import hashlib
import os
import tempfile
from pathlib import Path

SOURCES = sorted((Path(__file__).parents[1] / "hwsim").rglob("*.py"))
DIGEST = hashlib.sha256(b"".join(p.read_bytes() for p in SOURCES)).hexdigest()[:16]
os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"hwsim-numba-{DIGEST}")

from hypothesis import settings  # noqa: E402  # after the environment is set

settings.register_profile("hwsim", deadline=None, derandomize=True, database=None)
settings.load_profile("hwsim")
