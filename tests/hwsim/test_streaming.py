"""States over steps: an accumulating graph beside Python integers, continued runs, storage, bad input."""

from __future__ import annotations

import numpy as np

from hwsim.contracts import Pow2
from hwsim.formats import INT8, INT32
from hwsim.graph import Graph
from hwsim.ops import Add, Requant
from hwsim.qtensor import BATCH, QType
from hwsim.store import dumps, loads
from hwsim.streaming import stream
from tests.compare import assert_refused, assert_same


def counter() -> Graph:
    """``y = saturate(state + x)``, which is the next state; the first state is 5."""
    g, t = Graph("counter"), QType((BATCH, 2), INT8)
    x, before = g.input("x", t), g.input("before", t)
    total = g.add(Add(fmt=INT32), x, before, name="total")
    y = g.add(Requant(contract=Pow2(shift=(0,)), fmt=INT8, scale=1.0), total, name="y")
    g.output(y)
    g.state(before, y, np.full(2, 5, np.int8))
    return g


def test_steps() -> None:
    """Each sample is a sequence of its own."""
    x = np.random.default_rng(0).integers(-128, 128, (50, 3, 2)).astype(np.int8)
    want, state = np.empty_like(x), np.full((3, 2), 5)
    for i, step in enumerate(x):
        state = np.clip(state + step, -128, 127)
        want[i] = state
    g = loads(dumps(counter()))
    assert_same(want, stream(g, {"x": x})["y"])
    first = stream(g, {"x": x[:20]})["y"]
    assert_same(want[20:], stream(g, {"x": x[20:]}, states={"before": first[-1]})["y"])


def test_bytes_without_states() -> None:
    """A graph without memory has no word of it in its file."""
    g = counter()
    assert b'"states"' in dumps(g)
    g.states.clear()
    assert b"states" not in dumps(g)


def test_refusals() -> None:
    """One line each, with the culprit."""
    g, x = counter(), np.zeros((2, 3, 2), np.int8)
    assert_refused(lambda: stream(g, {"x": x[:0]}), "x", "0")
    assert_refused(lambda: stream(g, {"x": x}, states={"z": x[0]}), "'z'")
    y, before = g.outputs[0], g.inputs[1]
    assert_refused(lambda: g.state(before, y, np.zeros(2, np.int8)), "before")
    assert_refused(lambda: g.state(g.inputs[0], y, np.zeros(3, np.int8)), "(3,)")
