"""Reports: what a graph is, what it costs, how far it is from float, as plain data, text and one HTML page."""

from __future__ import annotations

from .choices import Choice, ModelError, ModelErrors, Trial, compare_models
from .fidelity import Comparison, Fidelity, compare
from .html import render_html
from .layers import Layer, layer_rows, total_macs, total_parameters
from .report import build_report, dumps_report
from .text import layer_table, summary, text_table

__all__ = [
    "Choice",
    "Comparison",
    "Fidelity",
    "Layer",
    "ModelError",
    "ModelErrors",
    "Trial",
    "build_report",
    "compare",
    "compare_models",
    "dumps_report",
    "layer_rows",
    "layer_table",
    "render_html",
    "summary",
    "text_table",
    "total_macs",
    "total_parameters",
]
