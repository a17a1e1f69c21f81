"""Where a plan reads its inputs: codes where they lie if nothing is read past them, else in memory of its own."""

import numpy as np
import pytest

from hwsim import INT8, UINT8, Dyadic16, Graph, QType, simulate
from hwsim.kernels import machine
from hwsim.kernels.plan import planned
from hwsim.kernels.plans import plan_of
from hwsim.kernels.worker import Worker
from hwsim.ops import Add, Conv2d, MatMul, Reduce, Requant, Reshape, Select, Shift, Transpose
from hwsim.simulation import run_node
from tests.compare import assert_same
from tests.hwsim.kernels.both import check, codes, fixed, given
from tests.hwsim.kernels.fence import before_a_fence


def product(g, width=16):
    x = given(g, "x", INT8, 3, width)
    g.output(g.add(MatMul(), x, fixed(g, INT8, width, 5)))


def sum_(g):
    x = given(g, "x", INT8, 5, 17)
    g.output(g.add(Add(), x, x))


def window(g):
    x = given(g, "x", INT8, 5, 5, 3)
    g.output(g.add(Conv2d(kernel=(2, 2), stride=(1, 1)), x, fixed(g, INT8, 5, 2, 2, 3)))


def alone(g):
    x = given(g, "x", INT8, 4, 4, 3)
    g.output(g.add(Reduce(kind="max", axes=(1, 2)), x))


def several(g):
    """Once in place, once where it can be read past, and once as a result."""
    x = given(g, "x", INT8, 3, 17)
    y = g.add(Shift(bits=1), x)
    g.output(y, g.add(MatMul(), x, fixed(g, INT8, 17, 5)), x)


@pytest.mark.parametrize("build", [product, lambda g: product(g, 17), sum_, window, alone, several])
def test_nothing_is_read_past_the_last_sample(build):
    """At the first run and the next, and of other arrays."""
    g = Graph()
    build(g)
    (x,) = g.inputs
    for seed in range(3):
        values = codes(x.type.fmt, 3, *x.type.sample_shape, seed=seed)
        want = simulate(g, {"x": values}, engine="numpy")
        for threads in (1, 2):
            got = simulate(g, {"x": before_a_fence(values)}, threads=threads)
            for name, y in want.items():
                assert_same(y, got[name], what=f"{name}, {threads} threads")


@pytest.mark.parametrize("width", [16, 20, 31])
def test_masks_are_not_read_past_the_last_one(width):
    """They are read by whole vectors."""
    g = Graph()
    m, x = given(g, "m", UINT8, 3, width), given(g, "x", INT8, 3, width)
    g.output(g.add(Select(), m, x, fixed(g, INT8)))
    arrays = {v.name: codes(v.type.fmt, 2, *v.type.sample_shape) for v in (m, x)}
    want = simulate(g, arrays, engine="numpy")
    for _ in range(2):
        got = simulate(g, {name: before_a_fence(c) for name, c in arrays.items()})
        assert_same(*(y[g.outputs[0].name] for y in (want, got)))


@pytest.mark.parametrize(("width", "copies"), [(16, 0), (17, 1)])
def test_codes_are_copied_only_where_bytes_past_them_are_read(width, copies):
    g = Graph()
    product(g, width)
    x, y, (name,) = codes(INT8, 2, 3, width), np.empty((2, 3, 5), np.int32), plan_of(g, False).names
    worker = Worker(plan_of(g, False))
    worker.run({"x": x}, slice(0, 2), {name: y})
    (bound,) = worker.bound.values()
    assert sum(code[0] == machine.PAD for code, _, of in bound.outside if of == "x") == copies
    assert_same(simulate(g, {"x": x}, engine="numpy")[name], y)


def test_a_node_that_runs_alone_runs_once_a_slice():
    """The run that finds its place is a run."""
    g, ran = Graph(), []
    alone(g)

    def counted(node, *x):
        ran.append(node)
        return run_node(node, "numpy", *x)

    made, (x,) = planned(g, g.outputs, counted), g.inputs
    for calls in (1, 2, 3):
        values = codes(x.type.fmt, 3, *x.type.sample_shape, seed=calls)
        (want,), (got,) = simulate(g, {"x": values}, engine="numpy").values(), made.run({"x": values}, 1).values()
        assert_same(want, got)
        assert len(ran) == calls


def test_turned_values_are_one_call_with_what_comes_before_and_after():
    """No Python between: a copy in order is an instruction, too."""
    g = Graph()
    y = g.add(Add(), *2 * [given(g, "x", INT8, 3, 5, 16)])
    turned = g.add(Transpose(perm=(0, 2, 1, 3)), g.add(Requant.to(QType((), INT8, 2.0), y.type, Dyadic16), y))
    g.output(g.add(Shift(bits=1), g.add(Reshape(shape=(5, 48)), turned)))
    check(g, on_machine=False)
    bound = next(b for w in plan_of(g, False).idle for b in w.bound.values())
    assert len(bound.ready) == 1


def test_each_call_reads_its_own_arrays():
    g = Graph()
    product(g)
    arrays = [codes(INT8, 2, 3, 16, seed=seed) for seed in range(3)]  # all alive: no place is used twice
    for x in (*arrays, *arrays):
        (want,), (got,) = (simulate(g, {"x": x}, engine=e).values() for e in ("numpy", "numba"))
        assert_same(want, got)
