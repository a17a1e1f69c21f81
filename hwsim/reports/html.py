"""report.html: one self-contained page, light and dark, made of the same data as report.json.

Why so many words here: templates interpolate and loop, they never compute; every text and every width comes from
these functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..tables import Table
from . import wording as w
from .memory import memory_lines
from .memory_plot import plot_memory

TEMPLATES = Path(__file__).with_name("templates")
ACCUMULATING = (
    "matmul",
    "conv2d",
    "pool",
    "add",
    "mul",
    "reduce",
    "shift",
)  # ops whose result is exact, so its width matters

MOVEMENT = ("reshape", "transpose", "slice", "expand", "pad", "split")
BARS, BAR_NAME = 40, 18  # bars of a chart, letters of a name beside one


def render_html(report: Mapping[str, Any]) -> str:
    """The page, complete; every text in it is escaped."""
    return render("report.html.j2", page_view(report))


def render(template: str, view: Mapping[str, Any]) -> str:
    """A page from one of `TEMPLATES`; every text in it is escaped."""
    page: str = environment().get_template(template).render(view)
    return page


def environment() -> Any:
    """Of the templates: they escape every text and know no name that is not given."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_view(report: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the templates may see."""
    layers = report["layers"]
    return {
        "ok": report["ok"],
        "model": w.name(report["model"]["name"], 80),
        "source": w.name(report["model"]["source"], 120),
        "data": w.name(report["data"]["description"], 300),
        "verdict": w.verdict(report),
        "compared": w.compared(report),
        "mismatches": [_mismatch(r) for r in report["verify"] if r["first"]],
        "tiles": _tiles(report),
        "verify": [_verify_row(r) for r in report["verify"]],
        "ablation": [{**row, "title": w.name(row["title"], 60)} for row in w.ablation(report["ablation"])],
        "blocks": w.blocks(report["blocks"]),
        "layers": [_layer_row(i, layer) for i, layer in enumerate(layers)],
        "charts": [c for c in (_sqnr_chart(layers), _bits_chart(layers), _memory_chart(layers)) if c["bars"]],
        "memory": _memory(report["memory"]),
        "contracts": _contracts(layers),
        "ports": _ports(report["model"]),
        "recipe": [(w.name(key), _plain(key, v)) for key, v in report["recipe"].items()],
        "versions": [(w.name(package), w.name(number)) for package, number in report["versions"].items()],
    }


def _mismatch(row: Mapping[str, Any]) -> dict[str, str]:
    m = row["first"]
    how = ", ".join(t for t in (m["contract"], m["rounding"]) if t)
    return {
        "sentence": w.mismatch(row),
        "where": f"{row['engine']} ({row['build']})",
        "node": m["node"],
        "value": w.name(m["value"], 60),
        "index": str(tuple(m["index"])),
        "expected": w.count(m["expected"]),
        "got": w.count(m["got"]),
        "how": how or w.NONE,
        "operands": w.name(m["operands"], 300),
    }


def _tiles(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures on top: title, figure, small print."""
    tiles, accuracy, totals = [], report["accuracy"], report["totals"]
    kind = w.integer_kind(report)
    if accuracy and accuracy["integer_correct"] is not None:
        n, beside = accuracy["samples"], "no float model to compare with"
        if accuracy["float_correct"] is not None:
            beside = f"{w.percent(accuracy['float_correct'], n)} in float"
        tiles.append((f"Accuracy in {kind}", w.percent(accuracy["integer_correct"], n), beside))
    if accuracy and accuracy["same_answers"] is not None:
        same = f"{accuracy['same_answers']} / {accuracy['samples']}"
        tiles.append(("Same answer as float", same, w.percent(accuracy["same_answers"], accuracy["samples"])))
    tiles.append(("MACs per sample", w.large(totals["macs"]), f"{w.count(totals['parameters'])} parameters"))
    tiles.append(("Flash", w.size(totals["flash_bytes"]), "constants of the generated C"))
    ram = totals["arena_bytes"] + totals["io_bytes"]
    split = f"{w.size(totals['arena_bytes'])} arena + {w.size(totals['io_bytes'])} in and out"
    tiles.append(("RAM", w.size(ram), split))
    return [{"title": t, "figure": f, "note": n} for t, f, n in tiles]


def _verify_row(row: Mapping[str, Any]) -> dict[str, Any]:
    equal = row["codes"] > 0 and not row["mismatches"]
    return {
        "engine": row["engine"],
        "build": row["build"],
        "tool": w.name(w.ran(row), 240),
        "tensors": w.count(row["values"]),
        "codes": w.count(row["codes"]),
        "equal": equal,
        "result": "equal" if equal else f"{w.count(row['mismatches'])} differ",
    }


def _layer_row(i: int, layer: Mapping[str, Any]) -> dict[str, str]:
    return {
        "number": str(i),
        "op": layer["op"],
        "value": w.name(layer["value"], 60),
        "shape": w.shape(layer["shape"]),
        "format": w.name(layer["format"], 20),
        "scale": w.per_channel(layer["scale"]),
        "zero": w.per_channel(layer["zero_point"], "d"),
        "contract": w.contract(layer),
        "bits": w.bits(layer),
        "reach": " \N{HORIZONTAL ELLIPSIS} ".join(w.count(r) for r in layer["reach"]),
        "macs": w.count(layer["macs"]) if layer["macs"] else w.NONE,
        "constants": w.size(layer["constant_bytes"]) if layer["constant_bytes"] else w.NONE,
        "sqnr": w.sqnr(layer),
        "error": w.max_error(layer),
    }


def _sqnr_chart(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Signal to quantization noise of each value that float has too."""
    bars = [
        bar_of(layer, f"{w.sqnr(layer)} dB", [("a", max(layer["sqnr_db"], 0.0))])
        for layer in layers
        if layer["sqnr_db"] is not None and layer["op"] not in MOVEMENT
    ]
    note = (
        "Signal to quantization noise against the float model, dB; values equal to float, and moved ones, are left out."
    )
    return chart_of("SQNR per layer", note, [], bars, shortest=True)


def _memory_chart(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Constants and result of each value."""
    bars = []
    for layer in layers:
        constants, result = layer["constant_bytes"], layer["result_bytes"]
        bars.append(bar_of(layer, w.size(constants + result), [("a", constants), ("b", result)]))
    legend = [("a", "constants (flash)"), ("b", "result (RAM, before buffers are shared)")]
    note = "Bytes of weights, biases and tables, and of each result, for one sample."
    return chart_of("Memory per layer", note, legend, bars)


def _bits_chart(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What exact results provably need of what they have."""
    bars = []
    for layer in (x for x in layers if x["op"] in ACCUMULATING):
        spare = layer["bits_declared"] - layer["bits_needed"]
        bars.append(bar_of(layer, f"{w.bits(layer)} bits", [("a", layer["bits_needed"]), ("rest", spare)]))
    legend = [("a", "proven"), ("rest", "spare")]
    note = "Bits that an exact result can need for any input, partial sums included, of the bits it has."
    return chart_of("Accumulators", note, legend, bars, first=True)


def bar_of(layer: Mapping[str, Any], text: str, parts: list[tuple[str, float]]) -> dict[str, Any]:
    """One bar: what is named in ``value``, the text beside it, its parts by CSS class."""
    full = w.name(layer["value"], 60)
    short = full if len(full) <= BAR_NAME else full[:8] + "\N{HORIZONTAL ELLIPSIS}" + full[9 - BAR_NAME :]
    return {"name": short, "full": full, "text": text, "parts": parts}


def chart_of(
    title: str, note: str, legend: Any, bars: list[dict[str, Any]], *, shortest: bool = False, first: bool = False
) -> dict[str, Any]:
    """At most `BARS` bars, the longest (or shortest; by their first part alone) ones, in the graph's order."""
    if len(bars) > BARS:
        by_length = sorted(
            range(len(bars)),
            key=lambda i: sum(v for _, v in bars[i]["parts"][: 1 if first else None]),
            reverse=not shortest,
        )
        note += f" The {BARS} {'smallest' if shortest else 'largest'} of {len(bars)}; all are in the table."
        bars = [bars[i] for i in sorted(by_length[:BARS])]
    return {"title": title, "note": note, "legend": legend, "bars": _scaled(bars)}


def _scaled(bars: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts as (class, x, width) with the longest bar 100 wide; what is not 0 stays visible."""
    longest = max((sum(v for _, v in bar["parts"]) for bar in bars), default=0) or 1
    for bar in bars:
        x, parts = 0.0, []
        for kind, v in bar["parts"]:
            width = max(100 * v / longest, 0.6) if v else 0.0
            parts.append((kind, f"{x:.2f}", f"{width:.2f}"))
            x += width
        bar["parts"] = parts
    return bars


def _memory(memory: Mapping[str, Any] | None) -> dict[str, Any]:
    """Totals in words, and the picture, whose own texts are escaped."""
    return {"lines": memory_lines(memory), "picture": plot_memory("Memory", memory, document=False)} if memory else {}


def _contracts(layers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    used = dict.fromkeys(layer["contract"] for layer in layers if layer["contract"])
    return [(name, w.CONTRACT_NOTES.get(name, "")) for name in used]


def _ports(model: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "kind": kind,
            "name": w.name(p["name"], 60),
            "shape": w.shape(p["shape"]),
            "format": w.name(p["format"], 20),
            "scale": w.per_channel(p["scale"], ".9g"),
            "zero": w.per_channel(p["zero_point"], "d"),
        }
        for kind, ports in (("input", model["inputs"]), ("output", model["outputs"]))
        for p in ports
    ]


def _segments(document: Any) -> int:
    """Of a table in its published form; 0 for anything else."""
    try:
        return Table.from_json(document).segments
    except ValueError:
        return 0


def _plain(key: str, v: Any) -> str:
    """A setting as TOML writes it, cut where it is long; of fitted tables what they are."""
    if key == "tables" and isinstance(v, Mapping) and v:
        sizes = sorted({_segments(t) for t in v.values()})
        told = (f"{n} segments: {', '.join(k for k, t in v.items() if _segments(t) == n)}" for n in sizes)
        return w.name("; ".join(told), 300)
    return w.name(json.dumps(v, ensure_ascii=False), 200)
