"""What formats cost: whole models, through `hwsim.simulate`, row by row.

``python -m algos.format_evidence FILE`` measures the ViT on 10,000 images and MiniLM-L6 on 500 sentences (its weights
and sentences come with ``make .venv/.evidence``). Weights alone, under INT8 activations, after calibration; then
weights and operands of layers (and of products, for formats of elements) alike; LLM-FP4; ternary weights after
training. The ViT's patches keep INT8 weights, but for those that are trained. ``--graphs FOLDER`` keeps the integer
graphs that ``make evidence`` verifies on every engine, with the inputs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hwsim import Graph, Recipe, save

from .evidence import PLANS, Bench, Record, bench_of
from .llm_fp4 import LLMFP4
from .lsq import LSQ
from .prepare import Prepared, calibrate, lower
from .sentences import MINILM, cosines, encoder, summary, vectors
from .text import sentences, tokenized

WEIGHTS = (
    *("int8", "int4", "int4_g32", "uint4_g32", "nvfp4", "mxfp4", "fp4_e2m1", "mxfp6_e2m3", "mxfp8_e4m3", "mxint8"),
    *("int2", "ternary"),
)

BOTH = ("int4", "fp4_e2m1", "mxfp4", "mxfp6_e2m3", "mxfp8_e4m3", "mxint8")
KEPT = {"int8": "", "int4": "", "int4_g32": "", "mxfp4": "mxfp4", "nvfp4": "", "fp4_e2m1": "fp4_e2m1"}
"""Weights and operands whose graphs are kept; that of 4-bit floats is LLM-FP4's."""
VERIFIED = {"vit-tiny": 64, "minilm": 2}  # samples
STEPS, SIZE = 600, 16  # of MiniLM's ternary training


def vit(path: Path, graphs: Path | None) -> None:
    """Accuracy and same answers as float."""
    record, bench = Record("vit-tiny", path), bench_of("vit-tiny", path.parent)
    record.put({"float_accuracy": bench.accuracy, "samples": len(bench.labels), "rows": []})
    keep = Kept("vit-tiny", graphs, {next(iter(bench.front.inputs)): bench.test})
    for recipe in recipes(Recipe(overrides=(("patches", {"weights": "int8"}),))):
        p = calibrate(Prepared(front=bench.front, recipe=recipe), bench.calibration)
        record.add("rows", {**names(recipe), **bench.result(p)})
        keep(recipe, p)
        if recipe.operands == "fp4_e2m1":
            p = LLMFP4()(p, [bench.calibration])
            record.add("rows", {**names(recipe), "search": "llm-fp4", **bench.result(p)})
            keep(recipe, p, "llm-fp4")
    record.put({"ternary": []})
    for seed in range(3):
        record.add("ternary", {"seed": seed, **ternary_vit(bench, seed, keep)})


def ternary_vit(bench: Bench, seed: int, keep: Kept) -> dict[str, Any]:
    """All weights in -1, 0 and 1, trained as the ViT's other narrow weights are."""
    plan = PLANS["vit-tiny"]
    p, seconds = bench.tune(plan, plan.recipe("ternary", "int8"), replace(plan.knobs, seed=seed))
    keep(p.recipe, p, "lsq")
    return {**bench.result(p), "training_cpu_seconds": seconds}


def minilm(path: Path, graphs: Path | None) -> None:
    """Cosine to the float model's vectors."""
    record, (front, seen, test) = Record("minilm", path), encoder()
    want = vectors(front, test)
    keep = Kept("minilm", graphs, test)

    def score(p: Prepared) -> dict[str, float]:
        return summary(cosines(want, vectors(lower(p), test)))

    record.put({"sentences": len(want), "rows": []})
    for recipe in recipes(MINILM):
        p = calibrate(Prepared(front=front, recipe=recipe), seen)
        record.add("rows", {**names(recipe), **score(p)})
        keep(recipe, p)
        if recipe.operands == "fp4_e2m1":
            p = LLMFP4(rows=256, steps=13)(p, [seen])
            record.add("rows", {**names(recipe), "search": "llm-fp4", **score(p)})
            keep(recipe, p, "llm-fp4")
    record.put({"ternary": []})
    p = calibrate(Prepared(front=front, recipe=replace(MINILM, weights="ternary")), seen)
    p = LSQ(epochs=1, rate=3e-4, distill=True)(p, sentences_in_batches())
    record.add("ternary", {"seed": 0, "steps": STEPS, "batch": SIZE, **score(p)})
    keep(p.recipe, p, "lsq")


def sentences_in_batches() -> list[dict[str, Any]]:
    """Sentences that are in no other split, `STEPS` batches of `SIZE`."""
    x = tokenized(sentences("train")[: STEPS * SIZE])
    return [{name: ids[i : i + SIZE] for name, ids in x.items()} for i in range(0, STEPS * SIZE, SIZE)]


def recipes(base: Recipe) -> list[Recipe]:
    """Weights alone, then weights and operands alike."""
    alone = [replace(base, weights=w) for w in WEIGHTS]
    return alone + [replace(base, weights=f, operands=f) for f in BOTH]


def names(recipe: Recipe) -> dict[str, str]:
    """The formats of a row."""
    return {"weights": recipe.weights} | ({"operands": recipe.operands} if recipe.operands else {})


class Kept:
    """Where graphs go that are verified later."""

    def __init__(self, model: str, folder: Path | None, inputs: dict[str, Any]) -> None:
        """Write the inputs."""
        self.model, self.folder = model, folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            some = {name: x[: VERIFIED[model]] for name, x in inputs.items()}
            np.savez(folder / f"{model}.npz", **some)

    def __call__(self, recipe: Recipe, p: Prepared, by: str = "") -> None:
        """Keep one graph, if it is one of those; of several seeds the last."""
        searched = recipe.operands == "fp4_e2m1"
        wanted = by == "lsq" or (KEPT.get(recipe.weights) == recipe.operands and searched == (by == "llm-fp4"))
        if self.folder is not None and wanted:
            graph: Graph = lower(p)
            save(graph, self.folder / f"{self.model}-{recipe.weights}.qg")


def main() -> None:
    """The command in the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m algos.format_evidence", description="Measure formats again.")
    parser.add_argument("path", type=Path, metavar="FILE", help="JSON")
    parser.add_argument("--graphs", type=Path, metavar="FOLDER", help="keep the graphs to verify")
    parser.add_argument("--only", choices=tuple(VERIFIED), help="one of the models")
    args = parser.parse_args()
    for name, measure in (("vit-tiny", vit), ("minilm", minilm)):
        if args.only in (None, name):
            measure(args.path, args.graphs)


if __name__ == "__main__":
    main()
