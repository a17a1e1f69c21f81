"""``hwsim explain``: another engine gives other codes; which node, which code, and under which contract they agree."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..graph import Value
from ..inputs import as_codes
from .data import Arrays, load_npy, load_npz, named, random_codes
from .graphs import add_graph, load_graph
from .output import add_json, tell

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
        description="Run a model here and in another engine, node by node, and explain the first code that differs.",
        epilog=EXAMPLES,
    )
    add_graph(p)
    engines = "litert, tflm (a .tflite), ort, c, numba, onnx_reference"
    p.add_argument("--against", metavar="ENGINE", required=True, help=engines)
    p.add_argument(
        "--input", metavar="FILE", help="x.npy, or an .npz whose keys are the inputs (default: random codes)"
    )
    p.add_argument("--samples", type=int, default=SAMPLES, help=f"random samples (default: {SAMPLES})")
    p.add_argument("--seed", type=int, default=0, help="of the random codes (default: 0)")
    add_json(p, "what was found")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from codegen.outside import explain_graph

    graph = load_graph(args)
    values = {v.name: v for v in graph.inputs if v.name not in graph.states}
    if args.input:
        inputs = load_inputs(args.input, values)
    else:
        drawn = random_codes(graph, args.samples, args.seed)
        inputs = {name: drawn[name] for name in values}
    found = explain_graph(Path(args.model), graph, inputs, args.against)
    tell(args, str(found), {"ok": found.ok, **asdict(found)})
    return 0 if found.ok else 1


def load_inputs(path: str, values: dict[str, Value]) -> Arrays:
    """Codes of the inputs, from an ``.npz``, or from the one array of an ``.npy`` for the one input."""
    single = path.lower().endswith(".npy")
    if single and len(values) != 1:
        raise ValueError(f"{path}: is one array, the model has inputs {', '.join(values)}; give an .npz")
    arrays = {name: load_npy(path) for name in values} if single else load_npz(path)
    with named(path):
        if set(arrays) != set(values):
            raise ValueError(f"holds {sorted(arrays)}, the model has inputs {sorted(values)}")
        codes = {name: as_codes(v, arrays[name]) for name, v in values.items()}
        if not all(map(len, codes.values())):
            raise ValueError("holds no samples")
    return codes
