"""An estimate as plain data: every figure with its unit, kind, source and derivation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..costs.estimates import Estimate, LayerCost, NodeCost
from ..costs.figure import Figure

SCHEMA = "hwsim-estimate/1"


def estimate_data(e: Estimate) -> dict[str, Any]:
    """What ``--json`` writes."""
    m = e.machine
    return {
        "schema": SCHEMA,
        "model": e.model,
        "hardware": asdict(m.hardware),
        "technology": {"name": m.technology.name, "source": m.technology.source},
        "samples": e.samples,
        "notes": e.notes,
        "macs": e.macs,
        "cycles": e.cycles,
        "latency_s": e.latency_s,
        "utilisation": e.utilisation,
        "dram_bits": e.whole.dram,
        "sram_bits": e.whole.sram,
        "dram_bits_per_cycle": e.bandwidth,
        "tops_per_watt": e.tops_per_watt,
        "energy": figure_data(e.energy) if e.energy else None,
        "energy_by_kind": {kind: figure_data(f) for kind, f in e.whole.energy.items()},
        "area": {
            "logic": figure_data(e.logic_area),
            "sram": figure_data(e.sram_area),
            "parts": {name: figure_data(f) for name, f in e.areas.items()},
        },
        "layers": [_layer(x) for x in e.layers],
        "nodes": [_node(n) for n in e.nodes],
    }


def figure_data(f: Figure, parts: bool = False) -> dict[str, Any]:
    """One figure; with `parts` also what it is the sum of."""
    made = {k: getattr(f, k) for k in ("value", "unit", "kind", "scaled", "error", "source", "derivation")}
    return made | ({"parts": [figure_data(p) for p in f.parts]} if parts and f.parts else {})


def _layer(x: LayerCost) -> dict[str, Any]:
    return {
        "name": x.name, "macs": x.macs, "cycles": x.cycles, "dram_bits": x.dram, "sram_bits": x.sram,
        "energy_pj": x.picojoules, "energy_by_kind_pj": {kind: f.value for kind, f in x.energy.items()},
        "nodes": [n.work.index for n in x.nodes],
    }  # fmt: skip


def _node(n: NodeCost) -> dict[str, Any]:
    w = n.work
    return {
        "index": w.index, "op": w.node.op.name, "value": w.name, "layer": w.layer, "macs": w.macs,
        "uses": [asdict(u) for u in w.uses], "latency": asdict(w.latency) | {"cycles": w.latency.cycles},
        "array": asdict(w.cycles) if w.cycles else None, "utilisation": w.utilisation, "traffic_bits": asdict(w.moved),
        "energy": {kind: figure_data(f, parts=True) for kind, f in n.energy.items()},
    }  # fmt: skip
