"""Estimates in the terminal: totals, area, layers; one node's derivation; hardware beside hardware."""

from __future__ import annotations

from collections.abc import Sequence

from ..costs.estimates import KINDS, Estimate, LayerCost
from ..costs.figure import Figure
from . import wording as w
from .text import text_table

AREA_COLUMNS = ("part", "what", "area", "unit", "kind")
TITLES = {"sram": "SRAM", "dram": "DRAM"}
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "\N{MICRO SIGN}"))
PREFIXES_BELOW = ((1e-9, "n"), (1e-12, "p"))


def quantity(value: float, unit: str) -> str:
    """``28.1 uJ``: three digits and a prefix."""
    if value == 0:
        return f"0 {unit}"
    scale, prefix = next((p for p in (*PREFIXES, *PREFIXES_BELOW) if abs(value) >= p[0]), (1e-12, "p"))
    return f"{value / scale:.3g} {prefix}{unit}"


def energy(f: Figure | float) -> str:
    """Of picojoules."""
    return quantity((f if isinstance(f, float) else f.value) * 1e-12, "J")


def area(f: Figure) -> str:
    """``0.123 mm2``, ``640 um2``, or gate equivalents."""
    return f"{f.value / 1e6:.3g} mm2" if f.unit == "um2" and f.value >= 1e4 else f"{f.value:,.0f} {f.unit}"


def estimate_text(e: Estimate) -> str:
    """Everything that is not about a single node."""
    m = e.machine
    head = f"{w.name(e.model, 60)} on {m.hardware.name}, {m.technology.source}, {quantity(m.hardware.clock_hz, 'Hz')}"
    blocks = [head, totals_text(e), area_table(e), layer_table(e), "\n".join(f"note: {n}" for n in e.notes)]
    return "\n\n".join(blocks)


def totals_text(e: Estimate) -> str:
    """One line a figure."""
    lines = [
        f"MACs         {e.macs:,} a sample",
        f"latency      {quantity(e.latency_s, 's')} ({e.cycles:,} cycles), utilisation {100 * e.utilisation:.1f} %",
        f"DRAM         {e.whole.dram / 8:,.0f} bytes a sample, {e.bandwidth:.2f} of {e.machine.hardware.dram_bits} "
        "bits a cycle",
    ]
    if e.energy:
        kinds = ", ".join(f"{TITLES.get(k, k)} {energy(f)}" for k, f in e.whole.energy.items())
        lines.append(f"energy       {energy(e.energy)} a sample ({kinds}); toggle rates of {e.samples} samples")
        lines += [f"  {TITLES.get(k, k):<10} {f.label}" for k, f in e.whole.energy.items()]
        lines.append(f"efficiency   {e.tops_per_watt:.3g} TOPS/W (2 operations a MAC)")
    lines.append(f"area         logic {area(e.logic_area)} ({e.logic_area.label}), SRAM {area(e.sram_area)} "
                 f"({e.sram_area.label})")  # fmt: skip
    return "\n".join(lines)


def part_text(e: Estimate, name: str) -> str:
    """What a part of the hardware is, or the bytes of a memory."""
    m = e.machine
    return m.parts[name].what if name in m.parts else f"{m.hardware.memories[name.removeprefix('SRAM ')].bytes:,} bytes"


def area_table(e: Estimate) -> str:
    """One row a part of the hardware."""
    return text_table(AREA_COLUMNS, area_rows(e), right=("area",))


def area_rows(e: Estimate) -> list[list[str]]:
    """Its cells."""
    return [[name, part_text(e, name), f"{f.value:,.0f}", f.unit, f.label] for name, f in e.areas.items()]


def layer_table(e: Estimate) -> str:
    """One row a layer, then all."""
    columns = layer_columns(e)
    return text_table(columns, layer_rows(e), right=columns[1:])


def layer_columns(e: Estimate) -> tuple[str, ...]:
    """Its titles: a column a kind of energy that there is."""
    kinds = [k for k in KINDS if k in e.whole.energy]
    energies = (*(f"{TITLES.get(k, k)} nJ" for k in kinds), "energy nJ") if kinds else ()
    return ("layer", "MACs", "cycles", "share %", "DRAM kB", *energies)


def layer_rows(e: Estimate) -> list[list[str]]:
    """Its cells."""
    kinds = [k for k in KINDS if k in e.whole.energy]
    return [_layer_cells(x, e, kinds) for x in (*e.layers, e.whole)]


def _layer_cells(x: LayerCost, e: Estimate, kinds: Sequence[str]) -> list[str]:
    parts = [x.energy[k].value / 1e3 if k in x.energy else 0.0 for k in kinds]
    sums = [f"{x.picojoules / 1e3:,.3f}"] if kinds else []
    name = "all" if x is e.whole else w.name(x.name, 40)
    share = f"{100 * x.cycles / e.cycles:.1f}"
    macs = f"{x.macs:,}" if x.macs else w.NONE
    return [name, macs, f"{x.cycles:,}", share, f"{x.dram / 8e3:,.2f}", *(f"{p:,.3f}" for p in parts), *sums]


def explain_text(e: Estimate, name: str) -> str:
    """One node: unit, cycles, traffic, then each figure of its energy with what it is made of."""
    n = e.node(name)
    x, m = n.work, e.machine
    lines = [f"node {x.index} {x.node.op.name} {w.name(x.name, 60)}, layer {w.name(x.layer, 60)}"]
    for u in x.uses:
        what = f"{u.operations:,} operations, {u.cycles:,} cycles"
        lines.append(f"  on {u.part} ({m.parts[u.part].what}): {what}")
    if not x.uses:
        lines.append("  on nothing: codes only move, or nothing is computed in this kind of numbers")
    c, t, moved = x.cycles, x.latency, x.moved
    if c:
        lines.append(
            f"  array cycles {c.total} = load {c.load} + compute {c.tiles} tiles * {c.interval} + fill {c.fill} + "
            f"drain {c.drain}; {x.macs:,} MACs, utilisation {100 * (x.utilisation or 0):.1f} %"
        )
    lines.append(
        f"  latency {t.cycles} cycles = fill {t.fill} + max(compute {t.compute}, memory {t.memory}), {t.bound} bound"
    )
    lines.append(
        f"  bits: DRAM {moved.dram_read} read, {moved.dram_write} written; SRAM weights {moved.weights}, "
        f"activations {moved.activations}, outputs {moved.outputs}"
    )
    for kind, f in n.energy.items():
        lines.append(f"  {TITLES.get(kind, kind)} {f.value:.9g} pJ [{f.label}]")
        for p in f.parts:
            lines += [f"    {p.value:.9g} pJ = {p.derivation}", f"      [{p.label}] {p.source}"]
    if not n.energy:
        lines.append("  energy needs samples")
    return "\n".join(lines)


def compare_table(estimates: Sequence[Estimate]) -> str:
    """One column a hardware."""
    titles = ("", *(e.machine.hardware.name for e in estimates))

    def row(title: str, cells: Sequence[str]) -> list[str]:
        return [title, *cells]

    rows = [
        row("technology", [e.machine.technology.name for e in estimates]),
        row("logic area", [area(e.logic_area) for e in estimates]),
        row("SRAM area", [area(e.sram_area) for e in estimates]),
        row("cycles", [f"{e.cycles:,}" for e in estimates]),
        row("latency", [quantity(e.latency_s, "s") for e in estimates]),
        row("utilisation", [f"{100 * e.utilisation:.1f} %" for e in estimates]),
        row("DRAM bytes", [f"{e.whole.dram / 8:,.0f}" for e in estimates]),
    ]
    for kind in KINDS:
        if any(kind in e.whole.energy for e in estimates):
            found = [e.whole.energy.get(kind) for e in estimates]
            rows.append(row(TITLES.get(kind, kind), [energy(f) if f else w.NONE for f in found]))
    if all(e.energy for e in estimates):
        rows.append(row("energy", [energy(e.energy) for e in estimates if e.energy]))
        rows.append(row("TOPS/W", [f"{e.tops_per_watt:.3g}" for e in estimates]))
    return text_table(titles, rows, right=titles[1:])
