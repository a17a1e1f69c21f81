"""Every target with every compiler and emulator, and a small network for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from codegen.runners.edge import edge_target, edge_targets, executors
from codegen.runners.edge.boards import BOARDS
from codegen.runners.edge.toolchains import Toolchain, toolchains
from hwsim.contracts import Dyadic16
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph
from hwsim.ops import Conv2d, Lut, MatMul, Requant, Reshape
from hwsim.qtensor import BATCH, QType
from tests.oracles.one_op import tensor

TARGETS = edge_targets()


def _known() -> list[tuple[str, str, str]]:
    """(target, compiler, emulator) of all that there are, whether they are installed or not."""
    rows = []
    for name in TARGETS:
        compilers = ["gcc"] + ["zig"] * bool(edge_target(name).zig)
        emulators = ["qemu"] + ["unicorn"] * bool(BOARDS[name].unicorn)
        rows += [(name, c, e) for c in compilers for e in emulators]
    return rows


MACHINES = _known()


def machine(target: str, compiler: str = "", emulator: str = "") -> dict[str, Any]:
    """Options of `run_edge` for what is installed; a skip that says what is missing."""
    try:
        chains, at_hand = toolchains(edge_target(target)), executors(edge_target(target))
    except ValueError as e:
        pytest.skip(f"left out: {e}")
    chain: Toolchain | None = next((c for c in chains if not compiler or c.gcc == (compiler == "gcc")), None)
    if chain is None or (emulator and emulator not in at_hand):
        pytest.skip(f"left out: {target} by {compiler} on {emulator} (make deps-edge; pip install ziglang unicorn)")
    return {"target": target, "chain": chain, "emulator": emulator}


def small() -> Graph:
    """A convolution, a table, a layer: integers alone."""
    g, rng = Graph("small"), np.random.default_rng(5)
    x = g.input("x", QType((BATCH, 6, 5, 3), INT8, 0.1))
    w = g.constant("w", tensor(rng.integers(-127, 128, (4, 3, 3, 3)), INT8))
    y = g.add(Conv2d(kernel=(3, 3), padding=((1, 1), (1, 1))), x, w, name="conv")
    y = g.add(Requant.to(QType((), INT8, 70.0, 3), y.type, Dyadic16), y, name="narrow")
    y = g.add(Lut(table=tuple(rng.integers(-128, 128, 256).tolist()), fmt=INT8, scale=0.1), y, name="table")
    y = g.add(Reshape(shape=(120,)), y, name="flat")
    y = g.add(MatMul(), y, g.constant("v", tensor(rng.integers(-127, 128, (120, 7)), INT8)), name="dense")
    y = g.add(Requant.to(QType((), INT16, 3.0), y.type, Dyadic16), y, name="scores")
    g.output(y)
    return g


def codes(samples: int = 3, seed: int = 0) -> dict[str, Any]:
    """Codes for `small`."""
    return {"x": np.random.default_rng(seed).integers(-128, 128, (samples, 6, 5, 3)).astype(np.int8)}
