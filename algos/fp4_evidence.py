"""LLM-FP4 against min-max at 4 bits: errors of layers on data held out, and what the whole integer graph is worth.

``python -m algos.fp4_evidence FILE`` measures SmolLM2-135M (Q4_1 base: its weights lie on a 4-bit grid before anybody
quantizes; its weights and text come with ``make .venv/.evidence``) and the shipped ViT, three draws of calibration data
each. Layers have 4-bit weights and operands. SmolLM2's attention, head (INT8 weights) and everything between layers are
INT16, its residual stream INT24, because the first token's outliers leave INT16 too coarse a step. The ViT's products
are 4 bits too, its patches have INT8 weights and what lies between layers is INT8. ``--graphs FOLDER`` keeps one block
of SmolLM2 after LLM-FP4, with inputs, to verify on every engine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hwsim import Graph, QTensor, Recipe, save, simulate
from hwsim.formats import Reals
from hwsim.front import FrontGraph
from hwsim.qtensor import encode

from .evaluation import evaluate
from .evidence import Record, bench_of
from .export import export
from .llm_fp4 import LLMFP4
from .llm_fp4.capture import captured
from .prepare import Prepared, calibrate, lower

SEEDS = 3
METHODS: dict[str, tuple[str, LLMFP4 | None]] = {
    "int4 min-max": ("int4", None),
    "fp4 min-max": ("fp4_e2m1", None),
    "fpq baseline": ("fp4_e2m1", LLMFP4(preshift=False)),
    "llm-fp4": ("fp4_e2m1", LLMFP4()),
}
PUBLISHED = LLMFP4(search="multiplicative", steps=100, rounds=3)
RUNS, LENGTH, HELD_OUT = 16, 64, 16  # SmolLM2: runs of tokens to calibrate on, tokens of a run, runs held out
KNOBS = {"steps": 13, "rows": 256}  # of SmolLM2's searches, a quarter of the default's work
ATTENTION = tuple((f"*.{product}", {"operands": ""}) for product in ("scores", "context"))
"""Overrides: the products of SmolLM2's attention stay as wide as what lies between layers."""
IMAGES = 512  # of the ViT's test set, for the errors of layers


def smollm2(path: Path, layers: int = 30) -> None:
    """Every method and seed; the metric is perplexity."""
    from . import language
    from .models.smollm2 import BASE, make_model

    record = Record("smollm2", path)
    held = language.tokens("held-out", HELD_OUT, LENGTH)
    front = export(make_model(layers, LENGTH), held[:2])
    record.put({
        "base": BASE, "layers": layers, "calibration_runs": RUNS, "length": LENGTH, "held_out_runs": HELD_OUT,
        "float_perplexity": of_scores(float_scores(front, held), held), "rows": [],
    })  # fmt: skip
    drawn = language.tokens("calibration", RUNS * SEEDS, LENGTH).reshape(SEEDS, RUNS, LENGTH)
    wide = {"weights": "int8", "operands": ""}
    base = Recipe(activations="int16", residual="int24", overrides=(("head", wide), *ATTENTION))
    methods = {name: (fmt, knobs and replace(knobs, **KNOBS)) for name, (fmt, knobs) in METHODS.items()}
    for seed in range(SEEDS):
        rows(
            record,
            front,
            base,
            {"tokens": drawn[seed]},
            {"tokens": held[:8]},
            seed,
            "perplexity",
            partial(perplexity, tokens=held),
            methods,
        )


def block(folder: Path, number: int = 12) -> None:
    """One block of SmolLM2 after LLM-FP4, on the hidden states that reach it; attention's products are INT16."""
    from . import language
    from .frameworks import torch
    from .models.smollm2 import make_blocks, make_model

    tokens = torch.from_numpy(language.tokens("calibration", RUNS + 2, LENGTH))
    with torch.no_grad():
        states = make_blocks(0, number - 1, LENGTH)(make_model(0, LENGTH).words(tokens)).numpy()
    recipe = Recipe(weights="fp4_e2m1", operands="fp4_e2m1", activations="int16", residual="int24", overrides=ATTENTION)
    front = export(make_blocks(number, number, LENGTH), states[:2])
    p = calibrate(Prepared(front=front, recipe=recipe), states[:RUNS])
    graph = lower(replace(LLMFP4(), **KNOBS)(p, states[:RUNS]))
    folder.mkdir(parents=True, exist_ok=True)
    save(graph, folder / "smollm2-block.qg")
    (name,) = front.inputs
    np.savez(folder / "smollm2.npz", **{name: states[RUNS:]})


def vit(path: Path) -> None:
    """Every method and seed; the metric is the share of right answers."""
    record, bench = Record("vit-tiny", path), bench_of("vit-tiny", path.parent)
    record.put({"float_accuracy": bench.accuracy, "samples": len(bench.labels), "rows": []})
    (name,) = bench.front.inputs
    base = Recipe(overrides=(("patches", {"weights": "int8"}),))
    methods = METHODS | {"llm-fp4, multiplicative search": ("fp4_e2m1", PUBLISHED)}
    methods |= {"llm-fp4, fisher": ("fp4_e2m1", LLMFP4(objective="fisher"))}

    def metric(graph: Graph) -> float:
        return float(evaluate(graph, bench.test, bench.labels)["accuracy"])

    for seed in range(SEEDS):
        some = np.random.default_rng(seed).choice(len(bench.x), len(bench.calibration), replace=False)
        seen, held = ({name: x} for x in (bench.example.reals(bench.x[some]), bench.test[:IMAGES]))
        rows(record, bench.front, base, seen, held, seed, "accuracy", metric, methods)


def rows(
    record: Record, front: FrontGraph, base: Recipe, seen: dict[str, Any], held: dict[str, Any], seed: int,
    what: str, metric: Callable[[Graph], float], methods: dict[str, tuple[str, LLMFP4 | None]],
) -> None:  # fmt: skip
    """One row a method: relative error of every layer's output on held-out data, and the metric of the graph."""
    for method, (fmt, knobs) in methods.items():
        start = time.process_time()
        p = calibrate(Prepared(front=front, recipe=replace(base, weights=fmt, operands=fmt)), [seen])
        p = replace(knobs, seed=seed)(p, [seen]) if knobs else p
        graph = lower(p)
        error = layer_errors(p.front, graph, held)
        record.add("rows", {
            "method": method, "seed": seed, "errors": error, "mean_error": float(np.mean(list(error.values()))),
            "knobs": asdict(replace(knobs, seed=seed)) if knobs else None,
            what: metric(graph), "cpu_seconds": round(time.process_time() - start),
        })  # fmt: skip


def layer_errors(front: FrontGraph, graph: Graph, data: dict[str, Any]) -> dict[str, float]:
    """``mean((x_q @ w_q - x @ w)**2) / mean((x @ w)**2)`` of every layer with an operand of its own.

    `x` are the float model's values; the types and weights are those of the graph.
    """
    copies = {n.out for n in front.nodes if "operand" in n.attrs}
    layers = [n for n in front.nodes if n.op == "linear" and n.ins[0] in copies]
    values = captured(front, [data], {n.ins[0] for n in layers})
    types = {v.name: v.type for v in graph.values() if v.name in values}
    errors = {}
    for n in layers:
        x = values[n.ins[0]].flatten(0, -2).numpy().astype(np.float64)
        t = types[n.ins[0]]
        t = replace(t, shape=x.shape, axis=None if t.axis is None else 1)
        want = x @ front.params[n.ins[1]].T.astype(np.float64)
        made = QTensor(t, encode(x, t)).dequantize() @ graph.constants[f"{n.out}.weight"].dequantize()
        errors[n.out] = float(np.mean((made - want) ** 2) / np.mean(want**2))
    return errors


def perplexity(graph: Graph, tokens: Any) -> float:
    """Through `hwsim.simulate`, run by run."""
    (out,) = graph.outputs
    scores = [QTensor(out.type, simulate(graph, {"tokens": t[None]})[out.name]).dequantize() for t in tokens]
    return of_scores(scores, tokens)


def float_scores(front: FrontGraph, tokens: Any) -> list[Reals]:
    """The float model's, run by run."""
    return [captured(front, [{"tokens": t[None]}], front.outputs)[front.outputs[0]].numpy() for t in tokens]


def of_scores(scores: list[Reals], tokens: Any) -> float:
    """Exponential of the mean cross entropy of each token after the first of its run."""
    losses = []
    for s, t in zip(scores, tokens, strict=True):
        z = s[0, :-1].astype(np.float64)
        z = z - z.max(-1, keepdims=True)
        losses.append(np.log(np.exp(z).sum(-1)) - z[np.arange(len(t) - 1), t[1:]])
    return float(np.exp(np.mean(losses)))


def main() -> None:
    """The command in the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m algos.fp4_evidence", description="Measure LLM-FP4 again.")
    parser.add_argument("path", type=Path, metavar="FILE", help="JSON")
    parser.add_argument("--only", choices=("smollm2", "vit-tiny"), help="one of the models")
    parser.add_argument("--layers", type=int, default=30, help="of SmolLM2 (default: all 30)")
    parser.add_argument("--graphs", type=Path, metavar="FOLDER", help="keep a block to verify")
    args = parser.parse_args()
    if args.graphs is not None:
        block(args.graphs)
    if args.only != "vit-tiny":
        smollm2(args.path, args.layers)
    if args.only != "smollm2":
        vit(args.path)


if __name__ == "__main__":
    main()
