"""codegen: how a Graph is written down, and the proof that it still computes the same bits."""

from __future__ import annotations

from .checks import Report, verify

__all__ = ["Report", "verify"]
