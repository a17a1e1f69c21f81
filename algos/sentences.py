"""How near a quantized sentence encoder is to its float model: the cosine of both vectors, sentence by sentence."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim import Graph, QTensor, Recipe, simulate
from hwsim.formats import Reals

from . import text
from .evidence import Record
from .export import export
from .gqa_lut import TRANSFORMER, tables
from .models.minilm import make_model
from .prepare import Prepared, calibrate, lower
from .torch_front import FloatModule

if TYPE_CHECKING:
    from hwsim.front import FrontGraph

CALIBRATION = 64  # sentences
BATCH = 50
MINILM = Recipe(equalize="activations", overrides=(("words", {"residual": "int8"}),))
"""What ``docs/minilm.toml`` says."""
RECIPES = {
    "docs/minilm.toml": MINILM,
    "INT16 word vectors": replace(MINILM, overrides=()),
    "plain min-max": Recipe(),
    "INT8 residual stream": Recipe(residual="int8"),
    "equalized, INT8 residual stream": replace(MINILM, residual="int8"),
    "INT16 weights": replace(MINILM, weights="int16"),
}

SEGMENTS = (8, 16)  # of fitted tables, for every function of MiniLM


def measure(path: Path) -> None:
    """Every recipe of `RECIPES` on MiniLM-L6 and 500 test sentences, into the JSON file `path`."""
    record, (front, seen, test) = Record("minilm", path), encoder()
    kept = test["attention_mask"].sum(1)
    record.put({
        "sentences": len(kept), "length": text.LENGTH, "calibration": CALIBRATION, "mean_tokens": float(kept.mean()),
        "cut": int((test["attention_mask"][:, -1] == 1).sum()), "recipes": [],
    })  # fmt: skip
    want = vectors(front, test)
    fitted = {f"tables of {n} segments": replace(MINILM, tables=tables(TRANSFORMER, n)) for n in SEGMENTS}
    for name, recipe in (RECIPES | fitted).items():
        start = time.process_time()
        graph = lower(calibrate(Prepared(front=front, recipe=recipe), seen))
        ready = time.process_time()
        cosine = cosines(want, vectors(graph, test))
        short = {**recipe.to_dict(), "tables": {name: t.segments for name, t in recipe.tables.items()}}
        chosen = {k: v for k, v in short.items() if v != Recipe().to_dict()[k]}
        record.add("recipes", {
            "name": name, "recipe": chosen, **summary(cosine),
            "quantize_cpu_seconds": round(ready - start), "simulate_cpu_seconds": round(time.process_time() - ready),
        })  # fmt: skip


def encoder(length: int = text.LENGTH) -> tuple[FrontGraph, dict[str, Any], dict[str, Any]]:
    """MiniLM-L6 in float, sentences of `length` tokens to calibrate it on, and others to measure it on."""
    seen, test = (text.tokenized(text.sentences(split), length) for split in ("calibration", "test"))
    seen = {name: x[:CALIBRATION] for name, x in seen.items()}
    return export(make_model(), {name: x[:2] for name, x in seen.items()}), seen, test


def vectors(model: Graph | FrontGraph, inputs: dict[str, Any]) -> Reals:
    """The first output, shape (n, width), of an integer graph or a float model."""
    n, parts = len(next(iter(inputs.values()))), []
    for start in range(0, n, BATCH):
        batch = {name: x[start : start + BATCH] for name, x in inputs.items()}
        parts.append(of_graph(model, batch) if isinstance(model, Graph) else of_front(model, batch))
    return np.concatenate(parts)


def of_graph(graph: Graph, batch: dict[str, Any]) -> Reals:
    """One batch through `hwsim.simulate`."""
    (out,) = graph.outputs
    return QTensor(out.type, simulate(graph, batch)[out.name]).dequantize()


def of_front(front: FrontGraph, batch: dict[str, Any]) -> Reals:
    """One batch in float32."""
    from .frameworks import torch

    with torch.no_grad():
        y = FloatModule(front)(*(torch.from_numpy(batch[name]).float() for name in front.inputs))
    return np.asarray(y.numpy(), np.float64)


def cosines(a: Reals, b: Reals) -> Reals:
    """One a row."""
    return np.asarray((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1))


def summary(cosine: Reals) -> dict[str, float]:
    """Mean, least, and what one in a hundred is below."""
    return {"mean": float(cosine.mean()), "least": float(cosine.min()), "hundredth": float(np.quantile(cosine, 0.01))}
