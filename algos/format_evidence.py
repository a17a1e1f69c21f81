"""What the format of the weights costs, after calibration alone: whole models, through `hwsim.simulate`, row by row.

``python -m algos.format_evidence FILE`` measures the ViT on 10,000 images and MiniLM-L6 on 500 sentences (its weights
and sentences come with ``make .venv/.evidence``); activations are INT8, the ViT's patches keep INT8 weights.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from hwsim import Recipe

from .evidence import Record, bench_of
from .prepare import Prepared, calibrate, lower
from .sentences import MINILM, cosines, encoder, summary, vectors

WEIGHTS = (
    *("int8", "int4", "int4_g32", "uint4_g32", "nvfp4", "mxfp4", "fp4_e2m1", "mxfp6_e2m3", "mxfp8_e4m3", "mxint8"),
    *("int2", "ternary"),
)


def vit(path: Path) -> None:
    """Accuracy and same answers as float."""
    record, bench = Record("vit-tiny", path), bench_of("vit-tiny", path.parent)
    record.put({"float_accuracy": bench.accuracy, "samples": len(bench.labels), "rows": []})
    for weights in WEIGHTS:
        recipe = Recipe(weights=weights, overrides=(("patches", {"weights": "int8"}),))
        record.add("rows", {"weights": weights, **bench.post_training(recipe)})


def minilm(path: Path) -> None:
    """Cosine to the float model's vectors."""
    record, (front, seen, test) = Record("minilm", path), encoder()
    want = vectors(front, test)
    record.put({"sentences": len(want), "rows": []})
    for weights in WEIGHTS:
        p = calibrate(Prepared(front=front, recipe=replace(MINILM, weights=weights)), seen)
        record.add("rows", {"weights": weights, **summary(cosines(want, vectors(lower(p), test)))})


def main() -> None:
    """The command in the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m algos.format_evidence", description="Measure formats again.")
    parser.add_argument("path", type=Path, metavar="FILE", help="JSON")
    args = parser.parse_args()
    vit(args.path)
    minilm(args.path)


if __name__ == "__main__":
    main()
