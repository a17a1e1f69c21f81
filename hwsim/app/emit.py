"""``hwsim emit c|onnx|qdq``: a graph written down as C or as ONNX, or its float model as ONNX with QDQ pairs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..store import write_atomically
from .folder import check_file, check_folder, place, write_folder
from .graphs import add_graph, load_graph
from .models import FLOATS, maker
from .settings import add_settings

EXAMPLES = """examples:
  hwsim emit c build/model.qg -o firmware/
  hwsim emit onnx build/model.qg -o model.onnx
  hwsim emit onnx build/model.qg -o model.onnx --io float
  hwsim emit qdq resnet8 --weights int4 -o model.qdq.onnx      not bit exact, for other tools"""


def add(commands: Any) -> None:
    """Describe the command and its targets."""
    p = commands.add_parser(
        "emit",
        help="write a graph as C or ONNX",
        description="Write a graph as plain C99 or as an ONNX model; both compute the same bits as the simulator.\n"
        "`qdq` quantizes a float model as build does and writes it with QDQ pairs: not bit exact, for other tools.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    targets = p.add_subparsers(metavar="c|onnx|qdq", required=True, parser_class=type(p))
    c = targets.add_parser("c", help="C files into a folder", description="Write plain C99 into a folder.")
    add_graph(c)
    c.add_argument("-o", "--output", type=place, metavar="DIR", required=True)
    c.add_argument("--target", default="generic", help="target profile (default: generic)")
    c.set_defaults(run=run_c)
    onnx = targets.add_parser("onnx", help="an ONNX model", description="Write an ONNX model.")
    add_graph(onnx)
    onnx.add_argument("-o", "--output", type=place, metavar="model.onnx", required=True)
    onnx.add_argument("--io", default="codes", help="inputs and outputs as codes or as float (default: codes)")
    onnx.set_defaults(run=run_onnx)
    text = (
        "Quantize a float model and write it as float ONNX operations with QDQ pairs: not bit exact, for other tools."
    )
    qdq = targets.add_parser("qdq", help="QDQ ONNX for other tools, not bit exact", description=text)
    qdq.add_argument("model", metavar="MODEL", nargs="?", help=FLOATS)
    qdq.add_argument("-o", "--output", type=place, metavar="model.qdq.onnx", required=True)
    qdq.add_argument("--calibrate", metavar="data.npz", help="samples to calibrate on")
    add_settings(qdq)
    qdq.set_defaults(run=run_qdq, labels=None, samples=1, seed=0, ablate=False)


def run_c(args: argparse.Namespace) -> int:
    """Write the C files."""
    folder: Path = args.output
    check_folder(folder)
    files = c_files(load_graph(args), args.target)
    write_folder(folder, files)
    print(f"{', '.join(files)} written to {folder}")
    return 0


def run_onnx(args: argparse.Namespace) -> int:
    """Write the ONNX model."""
    path: Path = args.output
    check_file(path)
    data = onnx_bytes(load_graph(args), args.io)
    write_atomically(path, data)
    print(f"{path} written, {len(data):,} bytes")
    return 0


def run_qdq(args: argparse.Namespace) -> int:
    """Quantize the float model, then write the ONNX model."""
    path: Path = args.output
    check_file(path)
    job = maker(args)(args)
    if job.front is None:
        raise ValueError(
            f"{args.model}: holds integers alone, and QDQ is made of the float model; give the model that it was built "
            "from, or use `hwsim emit onnx`, which is bit exact"
        )
    from codegen import emit_qdq

    data: bytes = emit_qdq(job.graph, job.front).SerializeToString(deterministic=True)
    write_atomically(path, data)
    print(f"{path} written, {len(data):,} bytes; not bit exact, for other tools")
    return 0


def c_files(graph: Any, target: str = "generic") -> dict[str, bytes]:
    """Name and bytes of every C file."""
    from codegen import emit_c

    return {name: text.encode() for name, text in emit_c(graph, target=target).items()}


def onnx_bytes(graph: Any, io: str = "codes") -> bytes:
    """The bytes of the ONNX model, the same for the same graph."""
    from codegen import emit_onnx

    data: bytes = emit_onnx(graph, io=io).SerializeToString(deterministic=True)
    return data
