"""What formats cost in hardware: area, energy, latency and accuracy of the shipped models, row by row.

``python -m algos.cost_evidence FILE`` quantizes the ViT and MiniLM-L6 (``make .venv/.evidence``) in INT8, INT4 and
MXFP4, weights and operands alike, measures accuracy as `algos.format_evidence` does, and estimates each on the shipped
hardware for its format; FP32 is the INT8 graph's products and functions on FP32 units. Then the same INT8 graph with
accumulators as narrow as their proof.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwsim import Estimate, Graph, Recipe, estimate
from hwsim.costs.hardware_file import hardware_named
from hwsim.costs.narrowing import narrowed

from .evidence import Record, bench_of
from .prepare import Prepared, calibrate, lower
from .sentences import MINILM, cosines, encoder, summary, vectors

ROWS = (("edge-int8", "int8", ""), ("edge-int4", "int4", "int4"), ("edge-fp4", "mxfp4", "mxfp4"))
SAMPLES = {"vit-tiny": 8, "minilm": 2}  # that toggle rates are taken from


def figures(e: Estimate) -> dict[str, Any]:
    """The row of an estimate: mm2, uJ, ms."""
    return {
        "hardware": e.machine.hardware.name,
        "technology": e.machine.technology.source,
        "logic_mm2": e.logic_area.value / 1e6,
        "sram_mm2": e.sram_area.value / 1e6,
        "energy_uj": {kind: f.value / 1e6 for kind, f in e.whole.energy.items()},
        "total_uj": e.whole.picojoules / 1e6,
        "latency_ms": e.latency_s * 1e3,
        "utilisation": e.utilisation,
        "samples": e.samples,
    }


def measure(
    record: Record,
    name: str,
    made: Callable[[Recipe], tuple[Graph, dict[str, Any]]],
    base: Recipe,
    inputs: Any,
    real: Any,
) -> None:
    """All rows of one model.

    Args:
        record: where they go.
        name: of the model.
        made: graph and accuracy of a recipe.
        base: recipe that formats are put into.
        inputs: samples.
        real: what the float model scores.
    """
    some = {k: x[: SAMPLES[name]] for k, x in inputs.items()}
    record.put({"rows": [], "narrow": []})
    for hw, weights, operands in ROWS:
        graph, score = made(replace(base, weights=weights, operands=operands))
        record.add("rows", {"weights": weights, **score, **figures(estimate(graph, hw, some))})
        if hw == "edge-int8":
            record.add("rows", {"weights": "fp32", **real, **figures(estimate(graph, "edge-fp32", some))})
            small = narrowed(graph, hardware_named(hw))
            bits = {a.name: a.accumulator for a in small.arrays}
            record.add("narrow", {"accumulators": bits, **figures(estimate(graph, small, some))})


def vit(path: Path) -> None:
    """Accuracy on 10,000 images."""
    bench = bench_of("vit-tiny", path.parent)

    def made(recipe: Recipe) -> tuple[Graph, dict[str, Any]]:
        p = calibrate(Prepared(front=bench.front, recipe=recipe), bench.calibration)
        return lower(p), bench.result(p)

    base = Recipe(overrides=(("patches", {"weights": "int8"}),))
    inputs = {next(iter(bench.front.inputs)): bench.test}
    measure(Record("vit-tiny", path), "vit-tiny", made, base, inputs, {"accuracy": bench.accuracy})


def minilm(path: Path) -> None:
    """Mean cosine to the float model's vectors of 500 sentences."""
    front, seen, test = encoder()
    want = vectors(front, test)

    def made(recipe: Recipe) -> tuple[Graph, dict[str, Any]]:
        p = calibrate(Prepared(front=front, recipe=recipe), seen)
        graph = lower(p)
        return graph, summary(cosines(want, vectors(graph, test)))

    measure(Record("minilm", path), "minilm", made, MINILM, test, {"mean": 1.0})


def main() -> None:
    """The command in the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m algos.cost_evidence", description="Cost formats again.")
    parser.add_argument("path", type=Path, metavar="FILE", help="JSON")
    parser.add_argument("--only", choices=tuple(SAMPLES), help="one of the models")
    args = parser.parse_args()
    for name, run in (("vit-tiny", vit), ("minilm", minilm)):
        if args.only in (None, name):
            run(args.path)


if __name__ == "__main__":
    main()
