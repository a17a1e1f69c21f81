"""A hardware unit for synthesis: its Verilog, and codes with the results of its op as a stimulus in lanes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import rtl
from ..runners.verilog import port_words
from ..verilog import emit_verilog
from .checked import Bench
from .yosys import Unit


def verilog_of(unit: rtl.Unit) -> Unit:
    """The emitted Verilog of a unit."""
    return Unit(top=unit.module.name, files=emit_verilog(unit))


def bench_of(unit: rtl.Unit, codes: Mapping[str, NDArray[Any]], lanes: int, description: str) -> Bench:
    """Codes and what the unit's op gives for them.

    Args:
        unit: the unit.
        codes: by port, first axis the cycle; cut into `lanes` sequences of equal length, each of which loads the
            unit's tables first.
        lanes: sequences that are simulated beside each other.
        description: of the stimulus.

    Raises:
        ValueError: fewer cycles than lanes.
    """
    cycles = len(next(iter(codes.values()))) // lanes
    if not cycles:
        raise ValueError(f"{unit.module.name}: {description}: fewer vectors than {lanes} lanes")
    used = {port: c[: cycles * lanes] for port, c in codes.items()}
    loading = unit.setup()
    first = len(next(iter(loading.values()))) if loading else 0
    inputs = {p.name: np.zeros((first + cycles, lanes), object) for p in unit.module.ports if _is_data(p)}
    widths = {p.name: p.bits or 1 for p in unit.module.ports}
    for port, c in loading.items():
        inputs[port][:first] = np.array(port_words(c, widths[port]), object)[:, None]
    for port, c in used.items():
        inputs[port][first:] = np.array(port_words(c, widths[port]), object).reshape(lanes, cycles).T
    settle = first + unit.latency + 1
    outputs = {port: np.zeros((first + cycles, lanes), object) for port in unit.results}
    for port, y in unit.expected(used).items():
        by_lane = np.array([int(v) for v in y], object).reshape(lanes, cycles).T
        outputs[port][first + unit.latency :] = by_lane[: cycles - unit.latency]
    return Bench(description=description, inputs=inputs, outputs=outputs, settle=settle)


def _is_data(port: Any) -> bool:
    return not port.output and port.name != "clk"
