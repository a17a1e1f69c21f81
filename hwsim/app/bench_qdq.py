"""``hwsim bench qdq``: how far the QDQ export in ONNX Runtime is from the integer graph, by session option."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..graph import Graph
from ..qtensor import encode
from ..reports.text import text_table
from ..simulation import simulate
from .data import Arrays
from .models import Job, example_job
from .progress import steps
from .settings import FLAGS

SAMPLES = 512
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
ENTRIES = {"": {}, "disable_quant_qdq": {"session.disable_quant_qdq": "1"}}
"""Session entries: none, and no fusion of pairs. ``session.qdq_matmulnbits_accuracy_level`` changed no code here."""
MODELS = (("resnet8", "int8"), ("resnet8", "int4"), ("ds-cnn", "int8"), ("vit-tiny", "int8"), ("vit-tiny", "int4"))
COLUMNS = ("model", "weights", "level", "entry", "codes differ %", "largest", "same answer %")
NOTES = """codes of the outputs of the QDQ export (hwsim emit qdq, not bit exact) in ONNX Runtime {version}, one thread,
against the integer graph's on {samples} samples of each shipped test set; hwsim emit onnx is equal on every code"""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """One model under one session.

    Args:
        model, weights: what was exported.
        level, entry: the session's optimisation level and entries.
        differ: % of the output codes.
        largest: steps between the two.
        same: % of samples with the same largest score.
    """

    model: str
    weights: str
    level: str
    entry: str
    differ: float
    largest: int
    same: float


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The table, and its figures."""
    import onnxruntime

    rows: list[Distance] = []
    with steps(len(MODELS), quiet=args.quiet) as step:
        for model, weights in MODELS:
            step(f"{model}, {weights}")
            rows += distances(model, weights, job(model, weights))
    table = text_table(COLUMNS, [cells(r) for r in rows], right=COLUMNS[4:])
    notes = NOTES.format(version=onnxruntime.__version__, samples=SAMPLES)
    text = f"{table}\n\n{notes}\n\nclosest: {closest(rows)}"
    figures = {"onnxruntime": onnxruntime.__version__, "samples": SAMPLES, "rows": [asdict(r) for r in rows]}
    return text, figures


def job(model: str, weights: str) -> Job:
    """A shipped model in INT8 activations."""
    unset = dict.fromkeys((*FLAGS, "recipe", "calibrate", "labels", "tables", "llm_fp4", "choice"))
    return example_job(
        argparse.Namespace(**{**unset, "model": model, "weights": weights, "samples": SAMPLES, "ablate": False})
    )


def distances(model: str, weights: str, made: Job) -> list[Distance]:
    """Every session, on the same inputs."""
    from codegen import emit_qdq

    assert made.front is not None
    data = emit_qdq(made.graph, made.front).SerializeToString()
    want = simulate(made.graph, made.inputs)
    found = []
    for level in LEVELS:
        for entry, config in ENTRIES.items():
            differ, largest, same = distance(made.graph, want, outputs(data, made.inputs, level, config))
            at = {"model": model, "weights": weights, "level": level, "entry": entry}
            found.append(Distance(**at, differ=differ, largest=largest, same=same))
    return found


def outputs(model: bytes, inputs: Arrays, level: str, config: dict[str, str]) -> list[Any]:
    """What ONNX Runtime gives, one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    for key, setting in config.items():
        options.add_session_config_entry(key, setting)
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {k: np.asarray(x, np.float32) for k, x in inputs.items()}))


def distance(graph: Graph, want: Any, got: list[Any]) -> tuple[float, int, float]:
    """% of codes that differ, the largest difference in steps, % of the same answers."""
    away, same = [], []
    for v, y in zip(graph.outputs, got, strict=True):
        codes = encode(np.asarray(y, np.float64), v.type.reshaped(y.shape))
        away.append(np.abs(v.type.fmt.to_int(codes) - v.type.fmt.to_int(want[v.name])).ravel())
        same.append(codes.reshape(len(codes), -1).argmax(1) == want[v.name].reshape(len(codes), -1).argmax(1))
    steps_away = np.concatenate(away)
    return 100 * float((steps_away > 0).mean()), int(steps_away.max()), 100 * float(np.mean(same))


def closest(rows: list[Distance]) -> str:
    """The sessions with the smallest mean share of differing codes."""
    sessions = dict.fromkeys((r.level, r.entry) for r in rows)
    means = {s: float(np.mean([r.differ for r in rows if (r.level, r.entry) == s])) for s in sessions}
    best = [f"{level} {entry}".rstrip() for (level, entry), m in means.items() if m == min(means.values())]
    return f"{', '.join(best)}: {min(means.values()):.3f} % of codes differ"


def cells(r: Distance) -> list[str]:
    """A row."""
    return [r.model, r.weights, r.level, r.entry or "-", f"{r.differ:.3f}", str(r.largest), f"{r.same:.2f}"]
