"""``hwsim explain``: another engine gives other codes; which node, which code, and under which contract they agree."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .data import Arrays, load_npz, random_codes
from .graphs import add_graph, load_graph

EXAMPLES = """examples:
  hwsim explain kws.tflite --against tflm --contract tfl_single     LiteRT's bits here, TFLM there: who rounds how?
  hwsim explain kws.tflite --against litert --input x.npy
  hwsim explain quantized.onnx --against ort
  hwsim explain model.qg --against c

Every node reads the codes that the other engine had there, so each difference belongs to its node."""
SAMPLES = 64


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "explain",
        help="why another engine's codes are off by one",
        description="Run a model here and in another engine, node by node, and explain the first code that differs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_graph(p)
    engines = "litert, tflm (a .tflite), ort, c, numba, onnx_reference"
    p.add_argument("--against", metavar="ENGINE", required=True, help=engines)
    p.add_argument(
        "--input", metavar="FILE", help="x.npy, or an .npz whose keys are the inputs (default: random codes)"
    )
    p.add_argument("--samples", type=int, default=SAMPLES, help=f"random samples (default: {SAMPLES})")
    p.add_argument("--seed", type=int, default=0, help="of the random codes (default: 0)")
    p.add_argument("--json", action="store_true", help="print JSON")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from codegen.outside import explain_graph

    graph = load_graph(args)
    names = [v.name for v in graph.inputs if v.name not in graph.states]
    if args.input:
        inputs = load_inputs(args.input, names)
    else:
        drawn = random_codes(graph, args.samples, args.seed)
        inputs = {name: drawn[name] for name in names}
    found = explain_graph(Path(args.model), graph, inputs, args.against)
    print(json.dumps({"ok": found.ok, **asdict(found)}, indent=1) if args.json else found)
    return 0 if found.ok else 1


def load_inputs(path: str, names: list[str]) -> Arrays:
    """Arrays of an ``.npz``, or the one array of an ``.npy`` for the one input."""
    if not path.lower().endswith(".npy"):
        return load_npz(path)
    if len(names) != 1:
        raise ValueError(f"{path}: is one array, the model has inputs {', '.join(names)}; give an .npz")
    try:
        return {names[0]: np.load(path, allow_pickle=False)}
    except (ValueError, EOFError) as e:
        raise ValueError(f"{path}: no valid .npy: {e}") from None
