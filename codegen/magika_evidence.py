"""Magika in integers: how often its answer is the float model's, on files of known type.

``python -m codegen.magika_evidence FILE`` writes the record. The model is Google's (`magika`, Apache-2.0): a float ONNX
file of one-hot bytes, GELU by tanh, LayerNorm, a convolution, a maximum, softmax. Labels come free from files of known
type in the Python library and in installed packages.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.front import FrontGraph
from hwsim.graph import Graph
from hwsim.quantization import quantize_model
from hwsim.recipe import Recipe
from hwsim.simulation import simulate

from .onnx_float import front_graph
from .onnx_model import load_model

MODEL = "models/standard_v3_3"
BLOCK, HALF, PADDING = 4096, 1024, 256  # bytes read at each end, tokens taken of each, the token that is no byte
LABELS = {
    "py": ("python",), "pyi": ("python",), "h": ("c", "cpp"), "hpp": ("cpp",), "cpp": ("cpp",), "c": ("c",),
    "json": ("json",), "html": ("html",), "js": ("javascript",), "md": ("markdown",), "png": ("png",), "gz": ("gzip",),
    "so": ("elf",), "css": ("css",), "xml": ("xml",), "sh": ("shell",), "yaml": ("yaml",), "pyc": ("pythonbytecode",),
    "svg": ("svg",), "toml": ("toml",), "pem": ("pem",), "rst": ("rst",), "csv": ("csv",), "npy": ("npy",),
    "zip": ("zip",), "bat": ("batch",), "cmake": ("cmake",), "txt": ("txt",), "exe": ("pebin",), "wav": ("wav",),
    "tsv": ("tsv",), "ini": ("ini",), "ipynb": ("ipynb",), "js.map": ("json",), "onnx": ("onnx",),
}  # fmt: skip
EACH = 32  # files a type at most, half of them to calibrate on
LEAST_BYTES = 200
BATCH = 8


@dataclass(frozen=True, kw_only=True)
class Files:
    """Token rows of some files, and the labels that their names allow."""

    tokens: NDArray[np.int32]
    labels: list[tuple[str, ...]]


def model_folder() -> Path:
    """The folder of the model in the installed package; ValueError where it is not installed."""
    spec = importlib.util.find_spec("magika")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("package magika is not installed: pip install --no-deps magika")
    return Path(spec.submodule_search_locations[0]) / MODEL


def tokens_of(data: bytes) -> NDArray[np.int32]:
    """2048 tokens: the first 1024 bytes of the file and the last, without white space at its ends, padded."""
    first, last = data[:BLOCK].lstrip()[:HALF], data[-BLOCK:].rstrip()[-HALF:]
    row = np.full(2 * HALF, PADDING, np.int32)
    row[: len(first)] = np.frombuffer(first, np.uint8)
    if last:
        row[-len(last) :] = np.frombuffer(last, np.uint8)
    return row


def known_files(each: int = EACH) -> tuple[Files, Files]:
    """Files to calibrate on, and others to measure: the same on every run of one installation."""
    found: dict[str, list[Path]] = {kind: [] for kind in LABELS}
    for root in ("stdlib", "purelib"):
        for path in sorted(Path(sysconfig.get_path(root)).rglob("*")):
            kind = path.suffix.lower().lstrip(".")
            if kind in found and path.is_file() and not path.is_symlink() and path.stat().st_size >= LEAST_BYTES:
                found[kind].append(path)
    seen: list[tuple[Path, tuple[str, ...]]] = []
    test: list[tuple[Path, tuple[str, ...]]] = []
    for kind, paths in found.items():
        chosen = [paths[i] for i in sorted({i * len(paths) // each for i in range(each)}) if paths]
        seen += [(p, LABELS[kind]) for p in chosen[::2]]
        test += [(p, LABELS[kind]) for p in chosen[1::2]]
    return rows(seen), rows(test)


def rows(files: Sequence[tuple[Path, tuple[str, ...]]]) -> Files:
    """Read files."""
    return Files(tokens=np.stack([tokens_of(p.read_bytes()) for p, _ in files]), labels=[label for _, label in files])


def recipe(front: FrontGraph, **settings: Any) -> Recipe:
    """INT8 with clipped, asymmetric ranges; what a GELU reads, and the probabilities, in 16 bits."""
    wide = [n.ins[0] for n in front.nodes if n.op == "gelu"] + front.outputs
    chosen: dict[str, Any] = {"observer": "mse", **settings}
    return Recipe(**chosen, overrides=tuple((name, {"activations": "int16"}) for name in wide))


def answers(graph: Graph, tokens: NDArray[np.int32]) -> NDArray[np.int64]:
    """The class of each file by the integer graph."""
    (source,), (out,) = graph.inputs, graph.outputs
    parts = [simulate(graph, {source.name: tokens[i : i + BATCH]}) for i in range(0, len(tokens), BATCH)]
    return np.concatenate([np.asarray(p[out.name]).argmax(-1) for p in parts])


def float_answers(front: FrontGraph, tokens: NDArray[np.int32]) -> NDArray[np.int64]:
    """The class of each file by the float model."""
    (source,), (out,) = front.inputs, front.outputs
    parts = [front.evaluate({source: tokens[i : i + BATCH]})[out] for i in range(0, len(tokens), BATCH)]
    return np.concatenate(parts).argmax(-1)


def measure(each: int = EACH, observers: Sequence[str] = ("minmax", "mse")) -> dict[str, Any]:
    """Files, the float model's hits, and how often integers agree with it, by calibration rule."""
    seen, test = known_files(each)
    front = front_graph(load_model(model_folder() / "model.onnx"))
    names = json.loads((model_folder() / "config.min.json").read_text())["target_labels_space"]
    order = np.random.default_rng(0).permutation(len(seen.tokens))
    (source,) = front.inputs
    batches = [{source: seen.tokens[order[i : i + 2 * BATCH]]} for i in range(0, len(order), 2 * BATCH)]
    wanted = float_answers(front, test.tokens)
    results = []
    for observer in observers:
        start = time.process_time()
        found = answers(quantize_model(front, batches, recipe(front, observer=observer)).graph, test.tokens)
        agree = int((found == wanted).sum())
        row = {"observer": observer, "same": agree, "agreement": agree / len(wanted), "hits": hits(names, found, test)}
        results.append(row | {"cpu_seconds": round(time.process_time() - start)})
    return {
        "calibration_files": len(seen.labels), "files": len(wanted), "float_hits": hits(names, wanted, test),
        "rows": results,
    }  # fmt: skip


def hits(names: Sequence[str], classes: NDArray[np.int64], files: Files) -> int:
    """Answers that the file's name allows."""
    return sum(names[c] in allowed for c, allowed in zip(classes, files.labels, strict=True))


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    args.file.write_text(json.dumps(measure(), indent=1) + "\n")


if __name__ == "__main__":
    main()
