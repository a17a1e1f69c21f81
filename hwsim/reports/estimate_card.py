"""What a notebook shows of an estimate: totals, energy a layer, tables of layers and of areas."""

from __future__ import annotations

from ..costs.estimates import KINDS, Estimate, LayerCost
from . import wording as w
from .bars_svg import bars
from .estimate import AREA_COLUMNS, TITLES, area, area_rows, energy, layer_columns, layer_rows, quantity
from .notebook import Card, card_html
from .sheet import Sheet, shares

MOST = 30  # bars of a picture


def estimate_html(e: Estimate) -> str:
    """The card."""
    m = e.machine
    return card_html(
        Card(
            title=f"{w.name(e.model, 60)} on {m.hardware.name}",
            note=f"{m.technology.source}, {quantity(m.hardware.clock_hz, 'Hz')}",
            lines=_totals(e),
            pictures=[_energy(e)] if e.energy else [],
            sheets=[_layers(e), _areas(e)],
        )
    )


def estimate_line(e: Estimate) -> str:
    """An estimate in one line."""
    whole = f"{energy(e.energy)} a sample, " if e.energy else ""
    return (
        f"Estimate({w.name(e.model, 60)!r} on {e.machine.hardware.name}: {whole}{quantity(e.latency_s, 's')}, "
        f"logic {area(e.logic_area)}, SRAM {area(e.sram_area)})"
    )


def _totals(e: Estimate) -> list[tuple[str, str]]:
    lines = [
        ("latency", f"{quantity(e.latency_s, 's')} ({e.cycles:,} cycles), utilisation {100 * e.utilisation:.1f} %"),
        ("MACs", f"{e.macs:,} a sample"),
        ("DRAM", f"{e.whole.dram / 8:,.0f} bytes a sample, {e.bandwidth:.2f} of {e.machine.hardware.dram_bits} bits "
                 "a cycle"),
        ("area", f"logic {area(e.logic_area)} ({e.logic_area.label}), SRAM {area(e.sram_area)} ({e.sram_area.label})"),
    ]  # fmt: skip
    if e.energy:
        kinds = ", ".join(f"{TITLES.get(k, k)} {energy(f)} [{f.label}]" for k, f in e.whole.energy.items())
        samples = f"toggle rates of {e.samples} sample{'s' * (e.samples != 1)}"
        lines.insert(0, ("energy", f"{energy(e.energy)} a sample, {e.tops_per_watt:.3g} TOPS/W: {kinds}; {samples}"))
    return [*lines, *(("note", n) for n in e.notes)]


def _energy(e: Estimate) -> str:
    """A bar a layer, parts by kind; of many layers those that take most."""
    layers = sorted(sorted(e.layers, key=lambda x: -x.picojoules)[:MOST], key=e.layers.index)
    kinds = [k for k in KINDS if k in e.whole.energy]
    series = {TITLES.get(k, k): [_part(x, k) for x in layers] for k in kinds}
    about = "energy a layer" + (f", the {MOST} largest of {len(e.layers)}" if len(e.layers) > MOST else "")
    return bars([w.name(x.name, 60) for x in layers], series, [energy(x.picojoules) for x in layers], about)


def _part(x: LayerCost, kind: str) -> float | None:
    return x.energy[kind].value if kind in x.energy else None


def _layers(e: Estimate) -> Sheet:
    columns, rows = layer_columns(e), layer_rows(e)
    column, values = ("energy nJ", [x.picojoules for x in e.layers]) if e.energy else (
        "cycles", [float(x.cycles) for x in e.layers])  # fmt: skip
    lengths = [*shares(values), 0.0]
    title = f"{len(e.layers)} layers"
    return Sheet(columns=columns, rows=rows, right=columns[1:], title=title, folded=True, bars=(column, lengths))


def _areas(e: Estimate) -> Sheet:
    title = f"areas of {len(e.areas)} parts"
    return Sheet(columns=AREA_COLUMNS, rows=area_rows(e), right=("area",), title=title, folded=True)
