"""Energy and area of memories, from named publications; never from synthesis, and marked so.

    SRAM energy(size) = straight line in log energy over log size between the published sizes
    SRAM area = bits * bit cell / array efficiency
    to another node: energy * (node / 45) * (V / 0.9)**2,  area * (node / 45)**2          marked *scaled*

DRAM is another chip: the technology of the logic does not scale it. SRAM leakage is in no table and is not counted.
"""

from __future__ import annotations

import math
import tomllib
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from .figure import Figure
from .technology import Technology

FILE = Path(__file__).with_name("literature.toml")


@cache
def literature() -> dict[str, Any]:
    """The published figures."""
    return tomllib.loads(FILE.read_text())


def sram_energy(size: int, technology: Technology) -> Figure:
    """Energy of a bit, read or written, pJ.

    Args:
        size: bytes of the memory.
        technology: of the logic beside it, which it is scaled to.

    Raises:
        ValueError: a size outside the published ones.
    """
    table = literature()["sram"]
    sizes, energies = table["bytes"], table["access_pj"]
    if not sizes[0] <= size <= sizes[-1]:
        known = f"{sizes[0]:,}..{sizes[-1]:,}"
        raise ValueError(f"SRAM of {size:,} bytes: energy is published for {known} bytes; split it or choose another")
    (s, e), (t, f) = next(p for p in pairwise(zip(sizes, energies, strict=True)) if size <= p[1][0])
    share = math.log(size / s) / math.log(t / s)
    text = f"{e:g} * ({f:g} / {e:g}) ** {share:.9g} / {table['access_bits']} [pJ a bit, SRAM of {size} bytes, 45 nm]"
    per_bit = e * (f / e) ** share / table["access_bits"]
    figure = Figure(value=per_bit, unit="pJ", kind="literature", source=table["source"], derivation=text)
    if technology.node is None:
        return figure
    return _scaled(figure, technology, (technology.node / table["node_nm"], technology.voltage / table["voltage_v"]))


def sram_area(size: int, technology: Technology) -> Figure:
    """um2 of `size` bytes, at the technology's node, or at 45 nm where it has none."""
    table = literature()["sram_area"]
    bits, cell, efficiency = 8 * size, table["bit_cell_um2"], table["array_efficiency"]
    text = f"{bits} * {cell:g} / {efficiency:g} [bits, bit cell, array efficiency, 45 nm]"
    figure = Figure(
        value=bits * cell / efficiency, unit="um2", kind="literature", source=table["source"], derivation=text
    )
    return figure if technology.node is None else _scaled(figure, technology, (technology.node / table["node_nm"],) * 2)


def dram_energy() -> Figure:
    """Energy of a bit, read or written, pJ; its error is the published span."""
    table = literature()["dram"]
    least, most, bits = table["least_pj"], table["most_pj"], table["access_bits"]
    mean = (least + most) / 2
    return Figure(
        value=mean / bits, unit="pJ", kind="literature", source=table["source"],
        derivation=f"({least:g} + {most:g}) / 2 / {bits} [pJ a bit, DRAM]", error=(most - mean) / mean,
    )  # fmt: skip


def _scaled(figure: Figure, technology: Technology, ratios: tuple[float, float]) -> Figure:
    """``node * V**2`` of energy, ``node * node`` of area, as ratios to 45 nm and 0.9 V."""
    first, second = ratios
    energy = figure.unit == "pJ"
    factor = first * second**2 if energy else first * second
    rule = f"({first:.9g} * {second:.9g}{' ** 2' if energy else ''})"
    return Figure(
        value=figure.value * factor, unit=figure.unit, kind=figure.kind, source=figure.source, scaled=True,
        derivation=f"{rule} [to {technology.node:g} nm, {technology.voltage:g} V] * {figure.derivation}",
    )  # fmt: skip
