"""The terminal's tables and the summary of a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import wording as w

LAYER_COLUMNS = (
    *("op", "value", "shape", "format", "scale", "zero", "contract", "bits"),
    *("MACs", "constants", "SQNR dB"),
)
ABLATION_COLUMNS = ("widened layer", "INT16 %", "gain", "float %", "gain ")
BLOCK_COLUMNS = ("against float64", "of", "rows", "mean error", "largest", "steps", "flips", "ties", "row sums")
VERIFY_COLUMNS = ("engine", "build", "values", "codes", "differ", "tool")


def text_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """Columns as wide as their widest cell, two blanks apart; those named in `right` end flush."""
    widths = [max(len(cells[i]) for cells in (columns, *rows)) for i in range(len(columns))]
    lines = [columns, ["-" * n for n in widths], *rows]
    return "\n".join(
        "  ".join(
            c.rjust(n) if title in right else c.ljust(n) for c, n, title in zip(cells, widths, columns, strict=True)
        ).rstrip()
        for cells in lines
    )


def layer_table(layers: Sequence[Mapping[str, Any]]) -> str:
    """The per-layer table of `layer_entry` rows; SQNR only where some layer has one."""
    measured = any(layer["max_error"] is not None for layer in layers)
    columns = LAYER_COLUMNS if measured else LAYER_COLUMNS[:-1]
    rows = [_layer_cells(layer)[: len(columns)] for layer in layers]
    return text_table(columns, rows, right=("zero", "bits", "MACs", "constants", "SQNR dB"))


def _layer_cells(layer: Mapping[str, Any]) -> list[str]:
    return [
        layer["op"],
        w.name(layer["value"], 32),
        w.shape(layer["shape"]),
        layer["format"],
        w.per_channel(layer["scale"]),
        w.per_channel(layer["zero_point"], "d"),
        w.contract(layer),
        w.bits(layer),
        w.count(layer["macs"]) if layer["macs"] else w.NONE,
        w.size(layer["constant_bytes"]) if layer["constant_bytes"] else w.NONE,
        w.sqnr(layer),
    ]


def totals_lines(totals: Mapping[str, Any]) -> list[str]:
    """MACs, parameters and memory."""
    lines = [f"MACs        {w.count(totals['macs'])} a sample", f"parameters  {w.count(totals['parameters'])}"]
    if totals["flash_bytes"] is None:
        return lines
    ram = totals["arena_bytes"] + totals["io_bytes"]
    return [
        *lines,
        f"flash       {w.size(totals['flash_bytes'])} of constants",
        f"RAM         {w.size(ram)} ({w.size(totals['arena_bytes'])} arena, {w.size(totals['io_bytes'])} in and out)",
    ]


def accuracy_lines(accuracy: Mapping[str, Any] | None, formats: str) -> list[str]:
    """Accuracy in float and in integers, and equal answers, as far as known."""
    lines: list[str] = []
    if accuracy is None:
        return lines
    n = accuracy["samples"]
    for title, key in (("float", "float_correct"), (formats, "integer_correct")):
        if accuracy[key] is not None:
            lines.append(f"accuracy    {w.percent(accuracy[key], n)} {title} ({accuracy[key]} of {n})")
    if accuracy["same_answers"] is not None:
        lines.append(f"same answer {accuracy['same_answers']} of {n} samples")
    return lines


def verify_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a build of an engine."""
    cells = [
        [r["engine"], r["build"], w.count(r["values"]), w.count(r["codes"]), w.count(r["mismatches"]), w.ran(r)]
        for r in rows
    ]
    return text_table(VERIFY_COLUMNS, cells, right=("values", "codes", "differ"))


def ablation_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The model as it is, then each layer widened: score in percent and gain in points."""
    cells = [[w.name(r["title"], 40), r["int16"], r["int16_gain"], r["floating"], r["floating_gain"]] for r in rows]
    return text_table(ABLATION_COLUMNS, cells, right=ABLATION_COLUMNS[1:])


def block_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Softmax and norms against float64, a line each."""
    cells = [list(r.values()) for r in w.blocks(rows)]
    return text_table(BLOCK_COLUMNS, cells, right=BLOCK_COLUMNS[2:])


def summary(report: Mapping[str, Any]) -> str:
    """What `hwsim build` prints of its report."""
    wrong = [r for r in report["verify"] if r["first"]]
    return "\n".join(
        [
            f"{w.name(report['model']['name'])}: {w.verdict(report)}",
            "",
            *accuracy_lines(report["accuracy"], w.integer_kind(report)),
            *totals_lines(report["totals"]),
            "",
            verify_table(report["verify"]),
            *(["", block_table(report["blocks"])] if report["blocks"] else []),
            *(["", ablation_table(w.ablation(report["ablation"]))] if report["ablation"] else []),
            *(f"MISMATCH. {w.mismatch(r)}" for r in wrong[:1]),
        ]
    )
