"""What a plan keeps: memory of values that nobody reads any more is used again, slices are of one size."""

import numpy as np
import pytest

from hwsim import INT32, Graph, QType, simulate
from hwsim.kernels.plans import plan_of
from hwsim.ops import Reshape, Shift
from tests.compare import assert_same

WIDTH = 32


def turning(steps):
    """Each step is a stage of its own: its rows are others than those of the one before."""
    g = Graph()
    x = g.input("x", QType(("N", WIDTH, WIDTH), INT32))
    x = g.add(Shift(bits=8), x)
    for i in range(steps):
        x = g.add(Reshape(shape=(WIDTH << (i + 1) % 2, WIDTH >> (i + 1) % 2)), g.add(Shift(bits=(-1) ** i), x))
    g.output(x)
    return g


def run(graph, x, threads=1):
    """The codes, and the plan that made them."""
    plan = plan_of(graph, False)
    return plan.run({"x": x}, threads)[graph.outputs[0].name], plan


def numbers(samples):
    return np.random.default_rng(samples).integers(-(1 << 30), 1 << 30, (samples, WIDTH, WIDTH)).astype(np.int32)


def test_memory_of_dead_values_is_used_again():
    few, many = (run(turning(steps), numbers(2))[1].idle[0].buffers._owners for steps in (4, 40))
    assert len(many) == len(few) <= 6


@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_used_again_it_holds_the_same_codes(steps):
    g = turning(steps)
    for samples in (1, 3, 3, 200):
        x = numbers(samples)
        want = simulate(g, {"x": x}, engine="numpy")[g.outputs[0].name]
        assert_same(want, simulate(g, {"x": x})[g.outputs[0].name])
        assert_same(want, simulate(g, {"x": x}, trace=True)[g.outputs[0].name])


@pytest.mark.parametrize(
    ("samples", "threads", "sizes"), [(129, 1, {65, 64}), (256, 1, {128}), (130, 2, {65}), (5, 3, {2, 1})]
)
def test_slices_are_alike(samples, threads, sizes):
    """128 samples of 4096 bytes fill a slice."""
    x, g = numbers(samples), turning(2)
    y, plan = run(g, x, threads)
    assert {n for w in plan.idle for n, _ in w.bound} == sizes
    assert_same(simulate(g, {"x": x}, engine="numpy")[g.outputs[0].name], y)
