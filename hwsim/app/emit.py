"""``hwsim emit c|cmsis-nn|onnx|qdq``: a graph as C or as ONNX, or its float model as ONNX with QDQ pairs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..graph import Graph
from ..store import write_atomically
from .data import Arrays, random_codes
from .folder import C_FOLDER, check_file, check_folder, place, write_folder
from .graphs import add_graph, load_graph
from .models import FLOATS, maker
from .output import add_json, tell
from .settings import add_settings

WRITTEN = "what was written"
SAMPLES = 4  # of random codes, for the self-test
EXAMPLES = """examples:
  hwsim emit c build/model.qg -o firmware/
  hwsim emit c build/model.qg -o firmware/ --target cortex-m4 --reentrant
  hwsim emit cmsis-nn kws.tflite --contract tflm_double -o firmware/
  hwsim emit onnx build/model.qg -o model.onnx
  hwsim emit onnx build/model.qg -o model.onnx --io float
  hwsim emit qdq resnet8 --weights int4 -o model.qdq.onnx      not bit exact, for other tools"""


def add(commands: Any) -> None:
    """Describe the command and its targets."""
    p = commands.add_parser(
        "emit",
        description="Write a graph as plain C99 or as an ONNX model; both compute the same bits as the simulator.\n"
        "`qdq` quantizes a float model as build does and writes it with QDQ pairs: not bit exact, for other tools.",
        epilog=EXAMPLES,
    )
    targets = p.add_subparsers(metavar="c|cmsis-nn|onnx|qdq", required=True, parser_class=type(p))
    text = "Write plain C99 into a folder that builds as it is: Makefile, CMakeLists.txt, example, self-test, README."
    c = targets.add_parser("c", help="C files into a folder", description=text, epilog=EXAMPLES)
    add_graph(c)
    add_json(c, WRITTEN)
    c.add_argument("-o", "--output", type=place, metavar="DIR", required=True, help="folder to write")
    c.add_argument("--target", default="generic", help="profile, such as cortex-m4 or x86-64 (default: generic)")
    c.add_argument("--reentrant", action="store_true", help="buffers in a context of the caller's, no globals")
    c.set_defaults(run=run_c)
    text = "Write C whose INT8 layers under tflm_double are calls of CMSIS-NN, which is yours, into a folder."
    cmsis = targets.add_parser("cmsis-nn", help="C that calls CMSIS-NN", description=text, epilog=EXAMPLES)
    add_graph(cmsis)
    add_json(cmsis, WRITTEN)
    cmsis.add_argument("-o", "--output", type=place, metavar="DIR", required=True, help="folder to write")
    cmsis.add_argument(
        "--target", default="generic", help="profile of the other steps, such as cortex-m4 (default: generic)"
    )
    cmsis.set_defaults(run=run_cmsis)
    onnx = targets.add_parser("onnx", help="an ONNX model", description="Write an ONNX model.", epilog=EXAMPLES)
    add_graph(onnx)
    add_json(onnx, WRITTEN)
    onnx.add_argument("-o", "--output", type=place, metavar="model.onnx", required=True, help="file to write")
    onnx.add_argument("--io", default="codes", help="inputs and outputs as codes or as float (default: codes)")
    onnx.set_defaults(run=run_onnx)
    text = (
        "Quantize a float model and write it as float ONNX operations with QDQ pairs: not bit exact, for other tools."
    )
    qdq = targets.add_parser("qdq", help="QDQ ONNX for other tools, not bit exact", description=text, epilog=EXAMPLES)
    qdq.add_argument("model", metavar="MODEL", nargs="?", help=FLOATS)
    add_json(qdq, WRITTEN)
    qdq.add_argument("-o", "--output", type=place, metavar="model.qdq.onnx", required=True, help="file to write")
    qdq.add_argument("--calibrate", metavar="data.npz", help="samples to calibrate on")
    add_settings(qdq)
    qdq.set_defaults(run=run_qdq, labels=None, samples=1, seed=0, ablate=False)


def run_c(args: argparse.Namespace) -> int:
    """Write the C files."""
    folder: Path = args.output
    check_folder(folder, C_FOLDER)
    graph = load_graph(args)
    files = c_files(graph, random_codes(graph, SAMPLES, 0), args.target, reentrant=args.reentrant)
    return written(args, folder, files)


def run_cmsis(args: argparse.Namespace) -> int:
    """Write the C that calls CMSIS-NN."""
    from codegen import emit_cmsis_nn

    folder: Path = args.output
    check_folder(folder, ("README.md",))
    files = {name: text.encode() for name, text in emit_cmsis_nn(load_graph(args), target=args.target).items()}
    return written(args, folder, files)


def run_onnx(args: argparse.Namespace) -> int:
    """Write the ONNX model."""
    path: Path = args.output
    check_file(path)
    data = onnx_bytes(load_graph(args), args.io)
    write_atomically(path, data)
    tell(args, f"{path} written, {len(data):,} bytes", {"file": str(path), "bytes": len(data), "bit_exact": True})
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
    text = f"{path} written, {len(data):,} bytes; not bit exact, for other tools"
    tell(args, text, {"file": str(path), "bytes": len(data), "bit_exact": False})
    return 0


def written(args: argparse.Namespace, folder: Path, files: dict[str, bytes]) -> int:
    """Write the files, and say so."""
    write_folder(folder, files)
    document = {"folder": str(folder), "files": {name: len(data) for name, data in files.items()}}
    tell(args, f"{', '.join(files)} written to {folder}", document)
    return 0


def c_files(graph: Graph, samples: Arrays, target: str = "generic", *, reentrant: bool = False) -> dict[str, bytes]:
    """Path and bytes of every file of the C folder; its self-test takes the first samples."""
    from codegen import emit_c_folder

    files = emit_c_folder(graph, samples=samples, target=target, reentrant=reentrant)
    return {name: text.encode() for name, text in files.items()}


def onnx_bytes(graph: Any, io: str = "codes") -> bytes:
    """The bytes of the ONNX model, the same for the same graph."""
    from codegen import emit_onnx

    data: bytes = emit_onnx(graph, io=io).SerializeToString(deterministic=True)
    return data
