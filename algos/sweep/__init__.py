"""Sweeps: one model under many choices of formats, accumulators, tables and hardware, and the Pareto front of them."""

from __future__ import annotations

from .results import Swept
from .running import sweep
from .search import SEARCHES
from .space import Space

__all__ = ["SEARCHES", "Space", "Swept", "sweep"]
