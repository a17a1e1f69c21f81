"""Area, energy, cycles of a graph on hardware: per node, per layer, for the whole model; one sample at a time.

    energy of a node = operations * dynamic(toggle rates) + units * busy cycles * clock        compute, or table
                       (where clocks are gated, registers of a table are clocked while it is written alone)
                     + SRAM bits * pJ a bit + DRAM bits * pJ a bit                             literature
                     + clocks of units that wait (none where they are gated) + leakage over the node's latency

Toggle rates are those of the simulated samples. Wires, clock trees, control and the instruction stream are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Codes
from ..graph import Graph
from ..inputs import input_codes
from ..simulation import simulate
from .estimates import Estimate, NodeCost
from .figure import Figure, total
from .hardware import Hardware
from .hardware_file import hardware_named
from .machine import Machine, machine_of
from .mapping import Use, Work, mapped
from .product_activity import product_activity
from .technology import Technology
from .vector_activity import vector_activity

PICO = 1e12


def estimate(
    graph: Graph,
    hw: str | Hardware = "edge-int8",
    inputs: Mapping[str, NDArray[Any]] | None = None,
    *,
    technology: Technology | None = None,
) -> Estimate:
    """What a graph costs on hardware.

    Args:
        graph: the integer graph.
        hw: name of a shipped description, a ``.toml`` file, or a description.
        inputs: samples, as `hwsim.simulate` takes them; without them there is no energy, only area and cycles.
        technology: another table than the description names.

    Raises:
        ValueError: nodes that the hardware has no unit for, all of them; units that the technology has no figures for;
            a graph that computes nothing.
    """
    hardware = hardware_named(hw) if isinstance(hw, str) else hw
    machine = machine_of(hardware, technology)
    still = [a.name for a in hardware.arrays if a.dataflow == "weight"]
    if still and inputs is not None:
        what = f"array {still[0]!r} is weight stationary, and no such element was recorded"
        raise ValueError(f"hardware {hardware.name!r}: {what}: cycles and traffic, no energy; leave the samples out")
    works = mapped(graph, hardware)
    if not any(w.latency.cycles for w in works):
        raise ValueError(f"graph {graph.name[:60]!r}: no node takes a cycle, so there is nothing to estimate")
    env = _codes(graph, inputs) if inputs is not None else None
    nodes = tuple(NodeCost(work=w, energy=_energy(machine, w, env) if env else {}) for w in works)
    samples = max((len(c) for c in input_codes(graph, inputs).values()), default=0) if inputs is not None else 0
    return Estimate(model=graph.name, machine=machine, samples=samples, nodes=nodes)


def _codes(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
    """Codes of every value and constant."""
    constants = {name: t.codes for name, t in graph.constants.items()}
    return constants | simulate(graph, inputs, trace=True)


def _energy(machine: Machine, work: Work, env: Mapping[str, Codes]) -> dict[str, Figure]:
    """Figures by kind, in pJ; what is 0 because nothing of it is used is left out."""
    made: dict[str, list[Figure]] = {}
    for use in work.uses:
        kind = "table" if machine.parts[use.part].table else "compute"
        made.setdefault(kind, []).extend(_used(machine, work, use, env))
    cycles, seconds = work.latency.cycles, work.latency.cycles / machine.hardware.clock_hz
    for memory, per_bit in machine.sram.items():
        if bits := getattr(work.moved, memory):
            made.setdefault("sram", []).append(amount(per_bit, f"SRAM {memory}", (bits, "bits")))
    if work.moved.dram:
        made["dram"] = [amount(machine.dram, "DRAM", (work.moved.dram, "bits"))]
    for part in machine.parts.values() if cycles else ():
        waits = cycles - work.busy(part.name)
        if waits and not machine.hardware.gated:
            what = f"{part.name} waits"
            made.setdefault("idle", []).append(amount(part.clock, what, (part.count, "units"), (waits, "cycles")))
        leaks = ((part.count, "units"), (seconds * PICO, "ps"))
        made.setdefault("leakage", []).append(amount(part.leakage, f"{part.name} leaks", *leaks))
    return {kind: total(figures, kind) for kind, figures in made.items()}


def _used(machine: Machine, work: Work, use: Use, env: Mapping[str, Codes]) -> list[Figure]:
    """Operations and the clock of one part."""
    part, hardware = machine.parts[use.part], machine.hardware
    unit = next((a for a in hardware.arrays if a.name == use.part), None)
    rates = (
        product_activity(unit, work.node, env) if unit else vector_activity(hardware.vector[use.part], work.node, env)
    )
    gated = part.gated if hardware.gated else None
    clocked = use.load if gated else use.cycles
    made = [amount(part.dynamic(rates), f"{use.part} switches", (use.operations, "operations"))]
    if clocked:
        made.append(amount(part.clock, f"{use.part} clock", (part.count, "units"), (clocked, "cycles")))
    if gated:
        cycles = use.cycles - use.load
        made.append(amount(gated, f"{use.part} clock, table at rest", (part.count, "units"), (cycles, "cycles")))
    return made


def amount(rate: Figure, what: str, *factors: tuple[float, str]) -> Figure:
    """Factors times a figure of one: ``dram: 4096 bits x 30.46875 pJ (derivation)``, in pJ."""
    product = float(np.prod([f for f, _ in factors]))
    text = " x ".join(f"{f:.12g} {unit}" for f, unit in factors)
    return Figure(
        value=product * rate.value, unit="pJ", kind=rate.kind, source=rate.source, scaled=rate.scaled, error=rate.error,
        derivation=f"{what}: {text} x {rate.value:.9g} {rate.unit} ({rate.derivation})", parts=rate.parts,
    )  # fmt: skip
