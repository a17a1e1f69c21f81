"""A plan in words, as a table and as a picture: the same numbers, nothing on top of anything, safe with any name."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from typing import Any

import pytest

from codegen.memory_map import memory_map
from hwsim.reports.memory import arena_table, code_lines, memory_entry, memory_text
from hwsim.reports.memory_plot import LETTER, plot_memory
from tests.random_graphs import random_graph

from .networks import HOSTILE, lowered, small_front

SVG = "{http://www.w3.org/2000/svg}"


def entry(seed: int) -> dict[str, Any]:
    return memory_entry(memory_map(random_graph(seed)[0]))


def boxes(root: ET.Element) -> list[tuple[float, float, float, float]]:
    found = [r for r in root.iter(f"{SVG}rect") if "mp-box" in r.get("class", "")]
    return [tuple(float(r.get(k, "0")) for k in ("x", "y", "width", "height")) for r in found]  # type: ignore[misc]


@pytest.mark.parametrize("seed", range(0, 40, 2))
def test_one_box_a_buffer_and_none_on_another(seed: int) -> None:
    memory = entry(seed)
    root = ET.fromstring(plot_memory("m", memory))
    drawn = boxes(root)
    assert len(drawn) == len(memory["blocks"]) == sum(1 for _ in root.iter(f"{SVG}title"))
    for (x, y, w, h), (u, v, a, b) in combinations(drawn, 2):
        assert x + w <= u + 0.2 or u + a <= x + 0.2 or y + h <= v + 0.2 or v + b <= y + 0.2


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_labels_stay_in_their_boxes_and_apart(seed: int) -> None:
    root = ET.fromstring(plot_memory("m", entry(seed)))
    for g in root.iter(f"{SVG}g"):
        (rect,) = g.iter(f"{SVG}rect")
        lines = list(g.iter(f"{SVG}text"))
        for text in lines:
            assert float(text.get("x")) + LETTER * len(text.text) <= float(rect.get("x")) + float(rect.get("width")) + 3
            assert 0 < float(text.get("y")) - float(rect.get("y")) <= float(rect.get("height"))
        assert len({text.get("y") for text in lines}) == len(lines)
    numbers = sorted(float(t.get("x")) for t in root.iter(f"{SVG}text") if (t.text or "").isdigit())
    assert all(b - a > 2 * LETTER for a, b in pairwise(numbers))


def test_names_cannot_leave_their_text() -> None:
    graph = lowered(small_front(HOSTILE, HOSTILE))
    memory = memory_entry(memory_map(graph))
    assert any(b["name"].startswith("<script>") for b in memory["blocks"])
    root = ET.fromstring(plot_memory(HOSTILE, memory))
    assert {e.tag.removeprefix(SVG) for e in root.iter()} == {"svg", "style", "rect", "text", "g", "title"}
    shown = memory_text(memory)
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) < 200


def test_same_plan_same_picture_with_and_without_a_document() -> None:
    memory = entry(7)
    assert plot_memory("m", memory) == plot_memory("m", entry(7))
    assert "http" not in plot_memory("m", memory, document=False)


def test_text_says_totals_buffers_and_bars() -> None:
    memory = memory_entry(memory_map(lowered(small_front())))
    text = memory_text(memory)
    assert f"{memory['arena']:,} B" in text
    assert len(re.findall(r"^caller's .*(?:input|output)", text, re.MULTILINE)) == 2
    bars = re.findall(r"^ *\d+  .* (\d[\d,]*)  (#*)$", text, re.MULTILINE)
    assert [int(n) for n, _ in bars] == memory["alive"]
    assert max(len(b) for _, b in bars) == 40


def test_code_and_arenas_beside_tflm() -> None:
    assert code_lines(None, "no compiler") == ["code    unknown: no compiler"]
    made = {"tool": "gcc -O2", "code": 1200, "flash": 5000, "ram": 300, "stack": 64}
    assert (
        code_lines(made, "")[1]
        == "image   5,000 B of flash, 300 B of RAM as linked; a call takes at most 64 B of stack"
    )
    assert len(code_lines(made | {"flash": None, "ram": None}, "")) == 1
    row = {"name": "m.tflite", "arena": 100, "io": 20, "total": 240, "head": 200, "tail": 40}
    assert arena_table([row]).splitlines()[2].split() == [
        "m.tflite",
        "100",
        "20",
        "120",
        "240",
        "200",
        "40",
        "50.00",
        "%",
    ]
