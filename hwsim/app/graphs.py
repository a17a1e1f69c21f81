"""MODEL where an integer graph is wanted: a ``.qg``, or a quantized model of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..graph import Graph
from ..store import load
from .data import check_magic, named

QUANTIZED = "file.qg, quantized .tflite or .onnx"
OUTSIDE = (".tflite", ".onnx")


def add_graph(parser: Any) -> None:
    """Add MODEL, and how it is to be read."""
    parser.add_argument("model", metavar="MODEL", help=QUANTIZED)
    add_contract(parser)


def add_contract(parser: Any) -> None:
    """Add ``--contract`` where there is nothing but the reading that it could be of."""
    parser.add_argument("--contract", metavar="NAME", help="how a .tflite is read: tfl_single (default) or tflm_double")


def load_graph(args: argparse.Namespace) -> Graph:
    """The graph in the file that MODEL names.

    Raises:
        ValueError: no valid file, a float model, a contract for a file that says its own.
    """
    if Path(args.model).suffix.lower() not in OUTSIDE and not args.contract:
        with named(args.model), Path(args.model).open("rb") as f:
            check_magic(f, b"PK", f"a .qg; MODEL takes {QUANTIZED}")
        return load(args.model)
    from codegen.outside import read_graph  # Why here: a .qg needs no other tool's formats

    return read_graph(Path(args.model), args.contract or "")
