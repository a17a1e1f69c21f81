"""The smallest hardware and graph that a person can count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hwsim.contracts import Dyadic16
from hwsim.costs.hardware import Hardware, MatrixUnit, Sram, VectorUnit
from hwsim.formats import INT8, INT32
from hwsim.graph import Graph
from hwsim.ops import MatMul, Requant
from hwsim.qtensor import BATCH, QTensor, QType

VECTOR: dict[str, dict[str, int | str]] = {
    "requant": {"bits": 32, "out": 8}, "add": {"bits": 32}, "multiply": {"a": 16, "b": 8},
    "reduce": {"bits": 16, "acc": 32}, "normalize": {"bits": 32}, "lut": {"bits": 8, "out": 8},
    "pwl": {"bits": 8, "entries": 8},
}  # fmt: skip


def hardware(**choices: Any) -> Hardware:
    """2 x 2 of INT8, one lane of each vector unit, 8 KB memories, 32 bits a cycle of DRAM, 100 MHz."""
    array = MatrixUnit(name="mac", rows=2, columns=2, a="int8", b="int8", accumulator=32)
    sram = Sram(bytes=8192, port_bits=64)
    h = Hardware(
        name="small", technology="fake", clock_hz=100e6, arrays=(array,), weights=sram, activations=sram, outputs=sram,
        vector={f: VectorUnit(family=f, lanes=1, parameters=p) for f, p in VECTOR.items()}, dram_bits=32,
    )  # fmt: skip
    return replace(h, **choices)


def two_nodes(k: int = 4, n: int = 2, weight: int = 1) -> Graph:
    """``requant(x @ w)``, all weights equal, the accumulator divided by two."""
    g = Graph("two")
    x = g.input("x", QType((BATCH, k), INT8))
    w = g.constant("w", QTensor(QType((k, n), INT8), np.full((k, n), weight, np.int8)))
    acc = g.add(MatMul(acc=INT32), x, w, name="y.acc")
    g.output(g.add(Requant(contract=Dyadic16.of(0.5), fmt=INT8, scale=2.0), acc, name="y"))
    return g
