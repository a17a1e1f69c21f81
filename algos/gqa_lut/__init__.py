"""GQA-LUT: piecewise-linear tables for nonlinear functions, fitted on what the hardware computes, with a certificate.

Source: arXiv:2403.19591 (the table and the genetic search); the certificate and the default search are ours.
"""

from __future__ import annotations

from typing import Any

from .certificate import Fit
from .fitting import METHODS, fit, fit_seeds
from .functions import FUNCTIONS, Function
from .model import TRANSFORMER, tables
from .published import disagreements, from_json, to_json
from .search import Search
from .task import Task

__all__ = [
    "FUNCTIONS", "METHODS", "TRANSFORMER", "Fit", "Function", "Search", "TableModule", "Task", "disagreements", "fit",
    "fit_seeds", "from_json", "tables", "to_json",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`TableModule` needs torch, the tables do not."""
    if name == "TableModule":
        from .module import TableModule

        return TableModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
