"""``hwsim bench magika``: how often Magika in integers, with fitted tables too, gives the float model's answer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import INT16
from ..front import FrontGraph
from ..graph import Graph
from ..lowering.roles import find_roles
from ..lowering.simplify import simplify
from ..quantization import quantize_model
from ..recipe import Recipe
from ..reports.text import text_table
from ..simulation import simulate
from ..tables import Table
from .magika import CLEAR, LABELS, Files, known_files, label_names, model_folder
from .progress import steps

EACH = 96  # files of a type at most, half of them to calibrate on
CALIBRATION, BATCH, VERIFIED = 256, 16, 2  # files
CASES = (("minmax", 0), ("mse", 0), ("mse", 16), ("mse", 8))
"""Calibration rule, segments of all tables (0: whole tables)."""
COLUMNS = ("observer", "tables", "same, clear types", "%", "right", "same, all types", "%", "right")
NOTES = """same: files with the float model's answer. clear types ({kinds}):
{clear} files, float right on {clear_right}; all types: {all} files, float right on {all_right}
INT8, but INT16 for {wide}
engines, {verified} files each: {engines}"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One graph.

    Args:
        observer: calibration rule.
        entries: segments of its tables; 0 for whole ones.
        same, right: files with the float model's answer, with an answer that the file's name allows.
        clear_same, clear_right: of them those of clear types.
        verified: mismatches by engine and build; each build compares every code of `VERIFIED` files.
    """

    observer: str
    entries: int
    same: int
    right: int
    clear_same: int
    clear_right: int
    verified: dict[str, int]


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The table, and its figures."""
    return measure(EACH, quiet=args.quiet)


def measure(each: int, *, quiet: bool = True) -> tuple[str, Any]:
    """See `run`; at most `each` files of a type."""
    front, names, (seen, test) = float_model(), label_names(), known_files(each)
    clear = np.array([kind in CLEAR for kind in test.kinds])
    with steps(1 + len(CASES), quiet=quiet) as step:
        step("float")
        wanted = float_answers(front, test.tokens)
        rows = []
        for observer, entries in CASES:
            step(f"{observer}, {entries or 'whole'}")
            graph = integer_model(front, seen, observer, tables_of(entries))
            found = answers(graph, test.tokens)
            same, right = found == wanted, allowed(names, found, test)
            counts = {"same": same, "right": right, "clear_same": same[clear], "clear_right": right[clear]}
            numbers = {what: int(which.sum()) for what, which in counts.items()}
            checked = mismatches(graph, test.tokens[:: len(test.kinds) // VERIFIED][:VERIFIED])
            rows.append(Row(observer=observer, entries=entries, **numbers, verified=checked))
    right = allowed(names, wanted, test)
    figures = {
        "files": len(clear), "clear_files": int(clear.sum()), "calibration_files": min(CALIBRATION, len(seen.kinds)),
        "float_right": int(right.sum()), "clear_float_right": int(right[clear].sum()), "clear_types": list(CLEAR),
        "types": {k: test.kinds.count(k) for k in LABELS}, "int16": sorted(wide_values(front)),
        "verified_files": VERIFIED, "rows": [asdict(r) for r in rows],
    }  # fmt: skip
    return report(figures), figures


def report(figures: Mapping[str, Any]) -> str:
    """The table as text."""
    clear, whole = figures["clear_files"], figures["files"]
    rows = [
        [
            *(r["observer"], str(r["entries"] or "whole")),
            *(str(r["clear_same"]), f"{100 * r['clear_same'] / clear:.2f}", str(r["clear_right"])),
            *(str(r["same"]), f"{100 * r['same'] / whole:.2f}", str(r["right"])),
        ]
        for r in figures["rows"]
    ]
    verified = [r["verified"] for r in figures["rows"]]
    notes = NOTES.format(
        kinds=" ".join(figures["clear_types"]), clear=clear, clear_right=figures["clear_float_right"], all=whole,
        all_right=figures["float_right"], wide=", ".join(figures["int16"]), verified=figures["verified_files"],
        engines=", ".join(f"{name}: {sum(v[name] for v in verified)} codes differ" for name in verified[0]),
    )  # fmt: skip
    return f"{text_table(COLUMNS, rows, right=COLUMNS[1:])}\n\n{notes}"


def float_model() -> FrontGraph:
    """The model in the package, with functions of one-hot bytes folded into their table."""
    from codegen.onnx_reader import read_onnx

    front = read_onnx(model_folder() / "model.onnx")
    assert isinstance(front, FrontGraph)
    return simplify(front)


def wide_values(front: FrontGraph) -> set[str]:
    """What functions read, and the probabilities: half of INT8's steps would be lost on a GELU's flat side."""
    return {*find_roles(front).arguments, *front.outputs}


def tables_of(entries: int) -> dict[str, Table]:
    """Fitted tables of all that the model computes; none for 0."""
    if not entries:
        return {}
    from algos.gqa_lut import tables

    return {**tables(("exp", "reciprocal", "rsqrt"), entries), **tables(("gelu_tanh",), entries, fmt=INT16)}


def integer_model(front: FrontGraph, seen: Files, observer: str, tables: Mapping[str, Table]) -> Graph:
    """INT8 with asymmetric ranges, 16 bits for `wide_values`."""
    overrides = tuple((name, {"activations": "int16"}) for name in sorted(wide_values(front)))
    order = np.random.default_rng(0).permutation(len(seen.kinds))[:CALIBRATION]
    (source,) = front.inputs
    batches = [{source: seen.tokens[order[i : i + BATCH]]} for i in range(0, len(order), BATCH)]
    return quantize_model(front, batches, Recipe(observer=observer, tables=tables, overrides=overrides)).graph


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


def allowed(names: list[str], classes: NDArray[np.int64], files: Files) -> NDArray[np.bool_]:
    """Whether each answer is one that the file's name allows."""
    return np.array([names[c] in LABELS[kind] for c, kind in zip(classes, files.kinds, strict=True)])


def mismatches(graph: Graph, tokens: NDArray[np.int32]) -> dict[str, int]:
    """Codes that differ from numpy's, of every engine and build; of torch, every value's."""
    from algos.frameworks import torch
    from algos.torch_engine import run as run_torch
    from codegen import verify

    (source,) = graph.inputs
    found = {f"{r.engine} {r.build}": r.mismatches for r in verify(graph, {source.name: tokens}).rows}
    want = simulate(graph, {source.name: tokens}, trace=True)
    got = run_torch(graph, {source.name: torch.from_numpy(tokens)}, trace=True)
    found["torch trace"] = sum(int((np.asarray(codes) != want[name]).sum()) for name, codes in got.items())
    return found
