"""estimate.html: one self-contained page of an estimate: key figures, energy and area as bars, roofline, tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..costs.estimates import KINDS, Estimate, LayerCost
from . import wording as w
from .estimate import TITLES, area, energy, part_text, quantity
from .html import bar_of, chart_of, render
from .roofline_plot import Point, plot_roofline

ON_CHIP = tuple(k for k in KINDS if k != "dram")


def render_estimate(e: Estimate) -> str:
    """The page, complete; every text in it is escaped."""
    return render("estimate.html.j2", estimate_view(e))


def estimate_view(e: Estimate) -> dict[str, Any]:
    """Everything the template may see."""
    m = e.machine
    roof = roofline_points(e)
    return {
        "model": w.name(e.model, 80),
        "hardware": w.name(m.hardware.name, 80),
        "technology": w.name(m.technology.source, 200),
        "tiles": _tiles(e),
        "charts": [c for c in (_energy_chart(e, KINDS), _area_chart(e), _energy_chart(e, ON_CHIP)) if c["bars"]],
        "roofline": plot_roofline(roof, _peak(e), m.hardware.dram_bits, document=False) if roof else "",
        "kinds": [TITLES.get(k, k) for k in KINDS if k in e.whole.energy],
        "layers": [_layer_row(x, e) for x in (*e.layers, e.whole)],
        "parts": [
            {"name": name, "what": part_text(e, name),
             "area": f"{f.value:,.0f} {f.unit}", "kind": f.label}
            for name, f in e.areas.items()
        ],
        "sources": [
            {"kind": TITLES.get(k, k), "energy": energy(f), "label": f.label, "source": w.name(f.source, 400)}
            for k, f in e.whole.energy.items()
        ],
        "notes": e.notes,
    }  # fmt: skip


def roofline_points(e: Estimate) -> list[Point]:
    """Layers with products: MACs a bit of DRAM traffic (what has none counts as one bit), MACs a cycle, the bound."""
    found = []
    for x in e.layers:
        if x.macs:
            products = [n.work.latency for n in x.nodes if n.work.macs]
            bound = "memory" if any(t.bound == "memory" for t in products) else "compute"
            found.append((x.name, x.macs / max(x.dram, 1), x.macs / x.cycles, bound))
    return found


def _peak(e: Estimate) -> float:
    """Of the largest array: nodes run one after the other."""
    return float(max(a.array.macs for a in e.machine.hardware.arrays))


def _tiles(e: Estimate) -> list[dict[str, str]]:
    """The figures on top: title, figure, small print."""
    m = e.machine
    tiles = [
        ("Latency", quantity(e.latency_s, "s"), f"{e.cycles:,} cycles at {quantity(m.hardware.clock_hz, 'Hz')}"),
        ("MACs per sample", w.large(e.macs), f"utilisation {100 * e.utilisation:.1f} %"),
        ("Logic", area(e.logic_area), e.logic_area.label),
        ("SRAM", area(e.sram_area), e.sram_area.label),
        ("DRAM traffic", w.size(-(-e.whole.dram // 8)), f"{e.bandwidth:.2f} bits a cycle"),
    ]
    if e.energy:
        note = f"{e.tops_per_watt:.3g} TOPS/W, toggle rates of {e.samples} samples"
        tiles.insert(0, ("Energy per sample", energy(e.energy), note))
    return [{"title": t, "figure": f, "note": n} for t, f, n in tiles]


def _energy_chart(e: Estimate, shown: Sequence[str]) -> dict[str, Any]:
    """A stacked bar a layer, of some kinds."""
    kinds = [k for k in shown if k in e.whole.energy]
    bars = []
    for x in e.layers:
        parts = [(k, x.energy[k].value) for k in kinds if k in x.energy]
        if parts:
            bars.append(bar_of({"value": x.name}, energy(sum(v for _, v in parts)), parts))
    note = "Energy of one sample. SRAM and DRAM are literature, the rest comes from synthesis."
    title = "Energy per layer" if "dram" in shown else "Energy per layer, without DRAM"
    return chart_of(title, note, [(k, TITLES.get(k, k)) for k in kinds], bars)


def _area_chart(e: Estimate) -> dict[str, Any]:
    """A bar a part; memories in another colour, left out where the technology has another unit."""
    unit = e.machine.technology.area_unit
    bars = [
        bar_of({"value": name}, area(f), [("b" if name.startswith("SRAM ") else "a", f.value)])
        for name, f in e.areas.items()
        if f.unit == unit
    ]
    legend = [("a", "logic (synthesis)"), ("b", "SRAM (literature)")]
    return chart_of("Area", f"In {unit}.", legend, bars)


def _layer_row(x: LayerCost, e: Estimate) -> dict[str, Any]:
    return {
        "name": "all" if x is e.whole else w.name(x.name, 60),
        "macs": w.count(x.macs) if x.macs else w.NONE,
        "cycles": w.count(x.cycles),
        "share": f"{100 * x.cycles / e.cycles:.1f}",
        "dram": w.size(-(-x.dram // 8)),
        "energies": [energy(x.energy[k]) if k in x.energy else w.NONE for k in KINDS if k in e.whole.energy],
        "energy": energy(x.picojoules) if x.energy else w.NONE,
    }
