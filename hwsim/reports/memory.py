"""A memory plan in words, as a table, and as bars in the terminal; the picture is `hwsim.reports.memory_plot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from . import wording as w
from .text import text_table

BAR = 40  # characters of the longest bar
COLUMNS = ("arena", "from", "bytes", "steps", "kind", "format", "value")
TFLM_COLUMNS = ("model", "arenas", "in and out", "together", "TFLM's arena", "its tensors", "the rest", "share")
TARGET_COLUMNS = ("target", "constants", "code", "image", "arenas", "in and out", "stack", "compiled by")
STEP_COLUMNS = ("step", "op", "bytes", "in use")


def memory_entry(plan: Any) -> dict[str, Any]:
    """`codegen.memory_map.MemoryMap` as plain data (reports may not import codegen)."""
    return {**asdict(plan), "arena": plan.arena, "alive": plan.alive}


def memory_lines(memory: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Totals, a title each: constants, arenas, the caller's buffers."""
    split = ", ".join(f"{element} {w.count(n)}" for element, n in memory["arenas"].items()) or "none"
    least = "no plan needs less" if memory["arena"] == memory["bound"] else f"{w.count(memory['bound'])} at the least"
    return [
        ("flash", f"{w.count(memory['flash'])} B of constants"),
        ("arenas", f"{w.count(memory['arena'])} B ({split}); {least}; {memory['found']}"),
        ("in, out", f"{w.count(memory['io'])} B, the caller's"),
    ]


def code_lines(code: Mapping[str, Any] | None, reason: str) -> list[str]:
    """What a compiler made of the model, or why nothing did."""
    if code is None:
        return [f"code    unknown: {reason}"]
    lines = [f"code    {w.count(code['code'])} B ({code['tool']})"]
    if code["flash"] is not None:
        stack = "" if code["stack"] is None else f"; a call takes at most {w.count(code['stack'])} B of stack"
        lines.append(f"image   {w.count(code['flash'])} B of flash, {w.count(code['ram'])} B of RAM as linked{stack}")
    return lines


def target_table(rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None, str]]) -> str:
    """One line a target: plan, what its compiler made, or why nothing did."""
    cells = []
    for memory, code, reason in rows:
        made = code or dict.fromkeys(("code", "flash", "stack"))
        sizes = (memory["flash"], made["code"], made["flash"], memory["arena"], memory["io"], made["stack"])
        cells.append([memory["target"], *map(w.count, sizes), code["tool"] if code else w.name(reason, 60)])
    return text_table(TARGET_COLUMNS, cells, right=TARGET_COLUMNS[1:-1])


def arena_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Bytes of RAM beside TFLM's, whose arena holds inputs, outputs and variables too."""
    cells = []
    for r in rows:
        ours = r["arena"] + r["io"]
        sizes = (r["arena"], r["io"], ours, r["total"], r["head"], r["tail"])
        cells.append([w.name(r["name"], 32), *map(w.count, sizes), w.percent(ours, r["total"])])
    return text_table(TFLM_COLUMNS, cells, right=TFLM_COLUMNS[1:])


def block_rows(memory: Mapping[str, Any]) -> list[list[str]]:
    """One row a buffer: the caller's first, then arena by arena from its start on."""
    blocks = sorted(memory["blocks"], key=lambda b: (b["arena"], b["start"], b["first"]))
    return [
        [
            b["arena"] or "caller's",
            w.count(b["start"]) if b["arena"] else w.NONE,
            w.count(b["size"]),
            steps(b),
            b["kind"],
            w.name(b["format"], 20),
            w.name(b["name"], 40),
        ]
        for b in blocks
    ]


def steps(block: Mapping[str, Any]) -> str:
    """``3`` or ``3-7``."""
    return str(block["first"]) if block["first"] == block["last"] else f"{block['first']}-{block['last']}"


def memory_text(memory: Mapping[str, Any]) -> str:
    """Totals, every buffer, and how full the arenas are at each step."""
    table = text_table(COLUMNS, block_rows(memory), right=("from", "bytes"))
    rows = _step_rows(memory["steps"], memory["alive"])
    totals = [f"{title:<8}{text}" for title, text in memory_lines(memory)]
    return "\n".join([*totals, "", table, "", text_table(STEP_COLUMNS, rows, right=("step", "bytes"))])


def _step_rows(ops: Sequence[str], alive: Sequence[int]) -> list[list[str]]:
    """A bar a step, as long as the bytes in use."""
    most = max(alive, default=0) or 1
    return [
        [str(i), w.name(op, 32), w.count(n), "#" * max(round(BAR * n / most), n > 0)]
        for i, (op, n) in enumerate(zip(ops, alive, strict=True))
    ]
