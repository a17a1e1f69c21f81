"""What this core reaches at most, beside which the targets of ``hwsim bench simulate`` can be read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..reports import total_macs
from ..reports.text import text_table
from .bench_simulate_models import MINILM, SHIPPED, present, subject
from .bench_simulate_record import Aim
from .turns import TURN, one_core, take_turns

KERNELS = {
    "products of bytes (VPDPBUSD)": "dot",
    "products, each added with saturation in 16 bits (VPMULLW, VPADDSW)": "saturating",
    "products, each added between limits already in registers (VPMULLW, VPMINSW, VPMAXSW, VPADDW)": "limited",
}
LOOP = 100_000
"""Repetitions of one call."""
COLUMNS = ("instructions alone, operands in registers, one core", "GOPS")
BATCHES = ("products of bytes of a batch, at that rate", "MMAC a sample", "ms")


def peak(rounds: int, missing: list[str]) -> tuple[str, Any, list[Aim]]:
    """Rates of the instructions, and how long a model's products take at least."""
    from ..kernels import peak as kernels

    if lacks := kernels.lacking():
        missing.append(f"peak left out: this CPU has no {', '.join(lacks)}")
        return "", {}, []
    macs = {"dot": kernels.DOT_MACS, **dict.fromkeys(("saturating", "limited"), kernels.SATURATING_MACS)}
    room = np.ones(kernels.NUMBERS * kernels.VECTOR, np.uint8)
    with one_core():
        found = take_turns([partial(repeat, getattr(kernels, k), room.ctypes.data) for k in macs], rounds, least=TURN)
    gops = {k: 2e-9 * LOOP * macs[k] / median(s) for k, s in zip(macs, found, strict=True)}
    batches = {}
    for name in present((*SHIPPED, MINILM), Path())[0]:
        made = subject(name)
        each = total_macs(made.graph)
        batches[name] = {"macs": each, "ms": 2e-6 * each * made.samples / gops["dot"]}
    text = text_table(COLUMNS, [[n, f"{gops[k]:.0f}"] for n, k in KERNELS.items()], right=COLUMNS[1:])
    rows = [[n, f"{1e-6 * b['macs']:.2f}", f"{b['ms']:.2f}"] for n, b in batches.items()]
    return f"{text}\n\n{text_table(BATCHES, rows, right=BATCHES[1:])}", {"gops": gops, "batches": batches}, []


def repeat(kernel: Any, place: int, times: int) -> None:
    """Turns are counted in calls."""
    kernel(LOOP * times, place)
