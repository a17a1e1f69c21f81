"""Small networks for the tests of reports and commands."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.checks import Mismatch, Row
from hwsim import Graph, Recipe
from hwsim.calibration import calibrate
from hwsim.front import FrontGraph, FrontNode
from hwsim.lowering import lower

HOSTILE = "<script>alert('x')</script>\n\"&*/ \u202e\u00fc\x1b[31m" + "x" * 10_000


def small_front(name: str = "small", value: str = "relu1") -> FrontGraph:
    """6 -> 5 relu -> 3, seeded."""
    rng = np.random.default_rng(1)
    front = FrontGraph(name, inputs={"x": (2, 3)})
    shapes = {"fc1.w": (5, 6), "fc1.b": (5,), "fc2.w": (3, 5), "fc2.b": (3,)}
    front.params = {k: rng.normal(0, 0.5, shape).astype(np.float32) for k, shape in shapes.items()}
    front.nodes = [
        FrontNode("reshape", ("x",), "flat", {"shape": [6]}),
        FrontNode("linear", ("flat", "fc1.w", "fc1.b"), "fc1"),
        FrontNode("relu", ("fc1",), value),
        FrontNode("linear", (value, "fc2.w", "fc2.b"), "scores"),
    ]
    front.outputs = ["scores"]
    return front


def samples(n: int = 100) -> dict[str, NDArray[np.float32]]:
    """Reals for `small_front`."""
    return {"x": np.random.default_rng(2).normal(0, 1, (n, 2, 3)).astype(np.float32)}


def lowered(front: FrontGraph, recipe: Recipe | None = None) -> Graph:
    """Calibrated on `samples`."""
    recipe = recipe or Recipe()
    return lower(front, calibrate(front, [samples()], recipe), recipe)


FOOTPRINT = SimpleNamespace(flash=100, arena=20, io=9)
EQUAL = Row("c", "release", "gcc -O2", values=1, codes=300, mismatches=0, seconds=0.5)


def broken(value: str = "relu1", **changes: Any) -> Row:
    """A row with a mismatch."""
    first = Mismatch(value, "node 2 (requant)", (4, 1), 12, 13, "dyadic16", "half_up", f"{value!r} 2345")
    return dataclasses.replace(EQUAL, mismatches=7, first=first, **changes)
