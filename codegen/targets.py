"""What generated C may assume. A target chooses kernels, never semantics."""

from __future__ import annotations

TARGETS = ("generic",)  # plain C99 on any machine with 8-bit bytes and two's complement


def check_target(target: str) -> None:
    """Raise ValueError for an unknown target."""
    if target not in TARGETS:
        raise ValueError(f"target {target!r} is unknown: use one of {', '.join(TARGETS)}")
