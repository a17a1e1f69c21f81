"""What `hwsim.estimate` gives back: figures per node, per layer and for the whole model, each with its derivation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .figure import Figure, total
from .machine import Machine
from .mapping import Work

KINDS = ("compute", "table", "sram", "dram", "idle", "leakage")  # of energy


@dataclass(frozen=True, kw_only=True)
class NodeCost:
    """One node: its place on the hardware, and its energy by kind in pJ; empty without samples."""

    work: Work
    energy: dict[str, Figure]

    @property
    def picojoules(self) -> float:
        """All kinds together."""
        return total(self.energy.values(), self.work.name).value if self.energy else 0.0


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """Nodes of one layer of the model, or all nodes."""

    name: str
    nodes: tuple[NodeCost, ...]

    @property
    def macs(self) -> int:
        """Products of one sample."""
        return sum(n.work.macs for n in self.nodes)

    @property
    def cycles(self) -> int:
        """Latency."""
        return sum(n.work.latency.cycles for n in self.nodes)

    @property
    def dram(self) -> int:
        """Bits from and to DRAM."""
        return sum(n.work.moved.dram for n in self.nodes)

    @property
    def sram(self) -> int:
        """Bits through SRAM."""
        return sum(n.work.moved.sram for n in self.nodes)

    @cached_property
    def energy(self) -> dict[str, Figure]:
        """By kind, the sum of the nodes' figures, which are its parts."""
        found = {k: [n.energy[k] for n in self.nodes if k in n.energy] for k in KINDS}
        return {k: total(figures, f"{self.name}, {k}") for k, figures in found.items() if figures}

    @property
    def picojoules(self) -> float:
        """All kinds together."""
        return total(self.energy.values(), self.name).value if self.energy else 0.0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Figures of one sample of a model on hardware.

    Args:
        model: name of the graph.
        machine: hardware, technology, costs of its parts.
        samples: that toggle rates were taken from; 0 means that there is no energy.
        nodes: in the graph's order.
    """

    model: str
    machine: Machine = field(repr=False)
    samples: int
    nodes: tuple[NodeCost, ...] = field(repr=False)

    @cached_property
    def layers(self) -> tuple[LayerCost, ...]:
        """Nodes grouped by layer, in order of each layer's first node; layers that cost nothing left out."""
        groups: dict[str, list[NodeCost]] = {}
        for n in self.nodes:
            groups.setdefault(n.work.layer, []).append(n)
        made = (LayerCost(name=name, nodes=tuple(nodes)) for name, nodes in groups.items())
        return tuple(x for x in made if x.cycles or x.sram or x.energy)

    @cached_property
    def whole(self) -> LayerCost:
        """All nodes."""
        return LayerCost(name=self.model, nodes=self.nodes)

    @property
    def macs(self) -> int:
        """Products of one sample."""
        return self.whole.macs

    @property
    def cycles(self) -> int:
        """Latency of one sample."""
        return self.whole.cycles

    @property
    def latency_s(self) -> float:
        """The same in seconds."""
        return self.cycles / self.machine.hardware.clock_hz

    @property
    def energy(self) -> Figure | None:
        """Of one sample in pJ, parts by kind; None without samples."""
        return total(self.whole.energy.values(), "energy of a sample") if self.samples else None

    @property
    def utilisation(self) -> float:
        """Products over what all arrays could have done in the latency."""
        return self.macs / (self.cycles * sum(a.array.macs for a in self.machine.hardware.arrays))

    @property
    def bandwidth(self) -> float:
        """Mean bits a cycle from and to DRAM."""
        return self.whole.dram / self.cycles

    @property
    def tops_per_watt(self) -> float | None:
        """``2 * MACs / energy``, 1e12 a joule; None without samples."""
        return 2 * self.macs / self.energy.value if self.energy else None

    @cached_property
    def areas(self) -> dict[str, Figure]:
        """By part of the hardware."""
        return self.machine.areas

    @property
    def logic_area(self) -> Figure:
        """Of all units, in the technology's unit."""
        return total((f for name, f in self.areas.items() if not name.startswith("SRAM ")), "logic")

    @property
    def sram_area(self) -> Figure:
        """Of all memories, um2."""
        return total((f for name, f in self.areas.items() if name.startswith("SRAM ")), "SRAM")

    @property
    def notes(self) -> list[str]:
        """What a reader must know of these figures."""
        m = self.machine
        slow = [f"{text}, longer than a cycle: this clock is out of reach" for text in m.too_slow]
        tables = [p.name for p in m.parts.values() if p.table and not p.gated] if m.hardware.gated else []
        ungated = [
            f"{name}: no netlist of these parameters, so its table is clocked while it is read" for name in tables
        ]
        unscaled = [] if m.technology.node else ["SRAM figures stay at 45 nm: the technology has no node"]
        still = [
            f"{a.name}: weight-stationary elements have the area of output-stationary ones, and no energy"
            for a in m.hardware.arrays if a.dataflow == "weight"
        ]  # fmt: skip
        without = [] if self.samples else ["energy needs samples: area and cycles only"]
        return [
            *without, *slow, *ungated, *unscaled, *still,
            "not counted: wires, clock tree, control, leakage of SRAM",
            "SRAM and DRAM figures are literature, not synthesis",
        ]  # fmt: skip

    def node(self, name: str) -> NodeCost:
        """The node with a result of this name, or of this index; ValueError where there is none."""
        for n in self.nodes:
            if name in (str(n.work.index), *(v.name for v in n.work.node.outs)):
                return n
        raise ValueError(f"node {name[:60]!r}: no result has this name; it may be an index, 0..{len(self.nodes) - 1}")

    def __repr__(self) -> str:
        """One line."""
        from ..reports.estimate_card import estimate_line

        return estimate_line(self)

    def _repr_html_(self) -> str:
        from ..reports.estimate_card import estimate_html

        return estimate_html(self)

    def table(self) -> str:
        """Totals, area, layers, as text."""
        from ..reports.estimate import estimate_text

        return estimate_text(self)

    def explain(self, name: str) -> str:
        """How the figures of one node come about, line by line."""
        from ..reports.estimate import explain_text

        return explain_text(self, name)

    def to_json(self) -> dict[str, Any]:
        """Plain data, every figure with unit, kind, source and derivation."""
        from ..reports.estimate_data import estimate_data

        return estimate_data(self)
