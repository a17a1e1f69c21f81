"""Generated C on microcontrollers, emulated: a bare-metal image of the release or the trace build runs all samples.

Compilers: Debian's gcc, else ``python -m ziglang``. Emulators: QEMU, else the package ``unicorn``. The image is the
same for both; it reads ``hw_in`` and writes ``hw_out`` and ``hw_report`` through semihosting.
"""

from __future__ import annotations

from .counts import Counts
from .run import EdgeRun, executors, run_edge, run_on_edge
from .toolchains import SHORT, edge_target, edge_targets

EDGE = (*edge_targets(), *SHORT)

__all__ = [
    "EDGE",
    "Counts",
    "EdgeRun",
    "edge_target",
    "edge_targets",
    "executors",
    "run_edge",
    "run_on_edge",
]
