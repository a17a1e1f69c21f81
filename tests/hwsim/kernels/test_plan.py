import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwsim import INT8, UINT8, Dyadic16, Graph, QTensor, QType, simulate
from hwsim.formats import FP4_E2M1, Codes
from hwsim.graph import Node
from hwsim.kernels import plan as plans
from hwsim.kernels.plan import Worker
from hwsim.kernels.plans import _KEPT, plan_of
from hwsim.ops import Add, Concat, Expand, Lut, MatMul, Mul, Reduce, Requant, Reshape, Shift, Slice, Transpose
from hwsim.simulation import run_node
from tests.compare import assert_same
from tests.hwsim.kernels.both import alone, check, codes, fixed, given, plan


def layers(seed=0):
    """Products, a node that runs on its own between stages, a residual."""
    g = Graph()
    x = given(g, "x", INT8, 4, 17)
    a = g.add(MatMul(), x, fixed(g, INT8, 17, 32, seed=seed))
    b = g.add(Requant.to(QType((), INT8, 900.0), a.type, Dyadic16), a)
    c = g.add(Transpose(perm=(0, 2, 1)), b)
    d = g.add(Slice(axis=1, start=1, stop=31, step=2), c)
    e = g.add(Concat(axis=1), d, d)
    f = g.add(MatMul(), e, fixed(g, INT8, 4, 16, scale=0.5, seed=seed + 1))
    g.output(g.add(Requant.to(QType((), INT8, 4e4), f.type, Dyadic16), f), b)
    return g


def same(g, x, **more):
    want, got = simulate(g, x, engine="numpy"), simulate(g, x, **more)
    for name in want:
        assert_same(want[name], got[name], what=name)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_slices_of_any_size(monkeypatch, size, threads):
    g = layers()
    monkeypatch.setattr(plans, "SLICE", size * plan(g).sample_bytes)
    for n in (1, 2, 5, 11):
        same(g, {"x": codes(INT8, n, 4, 17, seed=n)}, threads=threads)


def test_batch_sizes_and_samples_change_from_call_to_call():
    g = layers()
    for seed, n in enumerate((3, 1, 3, 2, 7, 1, 3)):
        same(g, {"x": codes(INT8, n, 4, 17, seed=seed)})


def test_results_are_the_callers():
    g = layers()
    x = codes(INT8, 3, 4, 17)
    first = simulate(g, {"x": x})
    kept = {k: v.copy() for k, v in first.items()}
    simulate(g, {"x": codes(INT8, 3, 4, 17, seed=9)})
    assert all(np.array_equal(first[k], kept[k]) for k in kept)
    for v in first.values():
        v[...] = 99
    same(g, {"x": x})
    assert x.tolist() == codes(INT8, 3, 4, 17).tolist()


def test_folded_constants_are_the_graphs():
    g = Graph()
    x, c = given(g, "x", INT8, 16), fixed(g, INT8, 16)
    d = g.add(Add(), c, c)
    y = g.add(Add(), x, d)
    g.output(y)
    traced = simulate(g, {"x": codes(INT8, 3, 16)}, trace=True)
    traced[d.name][...] = 77
    check(g)


@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[::2], lambda x: x[::-1], np.asfortranarray])
def test_inputs_of_any_strides(view):
    same(layers(), {"x": view(codes(INT8, 6, 4, 17))})


def test_another_constant_and_another_node():
    g = layers()
    x = {"x": codes(INT8, 3, 4, 17)}
    same(g, x)
    name = next(iter(g.constants))
    g.constants[name] = QTensor(g.constants[name].type, codes(INT8, 17, 32, seed=77))
    same(g, x)
    last = g.add(Shift(bits=2), g.outputs[0])
    g.output(last)
    same(g, x)


def test_nodes_that_come_and_go():
    """A node that is gone may leave its id to the next one."""
    g = Graph()
    x = given(g, "x", INT8, 16)
    y = g.add(Shift(bits=1), x)
    g.output(y)
    for i in range(60):
        for bits in (i % 5, (i + 1) % 5)[: 1 + i % 2]:
            g.nodes[0] = Node(Shift(bits=bits), (x,), (y,))
        same(g, {"x": codes(INT8, 2, 16)})


def test_outputs_and_inputs_that_come_later():
    g = Graph()
    x = given(g, "x", INT8, 16)
    y = g.add(Shift(bits=1), x)
    g.output(y)
    same(g, {"x": codes(INT8, 2, 16)})
    g.output(g.add(Shift(bits=2), x), x)
    same(g, {"x": codes(INT8, 2, 16)})
    g.outputs.pop(0)
    same(g, {"x": codes(INT8, 2, 16)})
    assert len(simulate(g, {"x": codes(INT8, 2, 16)})) == 2


def test_plans_go_with_their_graphs():
    g = layers()
    at = id(g)
    simulate(g, {"x": codes(INT8, 1, 4, 17)})
    assert plan_of(g, False) is plan_of(g, False) is not plan_of(g, True)
    assert at in _KEPT
    del g
    gc.collect()
    assert at not in _KEPT


def test_two_graphs_and_one_graph_at_once():
    graphs = [layers(), layers(5)]
    given_ = [{"x": codes(INT8, 1 + i % 4, 4, 17, seed=i)} for i in range(24)]
    want = [simulate(graphs[i % 2], x, engine="numpy") for i, x in enumerate(given_)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda i: simulate(graphs[i % 2], given_[i], threads=1 + i % 3), range(24)))
    for w, y in zip(want, got, strict=True):
        assert all(np.array_equal(w[k], y[k]) for k in w)


def test_a_worker_that_another_thread_took():
    class Taken(list):
        """Not empty when looked at, empty when asked."""

        def __bool__(self):
            return True

    p = plan(layers())
    object.__setattr__(p, "idle", Taken())
    assert isinstance(p._worker(), Worker)


def test_outputs_that_are_inputs_constants_and_twice():
    g = Graph()
    x, y = given(g, "x", INT8, 3, 17), given(g, "y", INT8, 3, 17)
    z = g.add(Add(), x, y)
    g.output(x, z, z, g.add(Mul(), z, z))
    check(g)
    given_x = codes(INT8, 3, 3, 17)
    out = simulate(g, {"x": given_x, "y": given_x})
    out["x"][...] = 0
    assert given_x.any()


def test_values_that_nobody_reads():
    g = layers()
    g.add(Add(), g.inputs[0], g.inputs[0])
    g.input("idle", QType(("N", 2), INT8))
    x = codes(INT8, 3, 4, 17)
    same(g, {"x": x, "idle": codes(INT8, 3, 2)})


def test_nodes_on_their_own_never_see_memory_that_nothing_was_written_to():
    """Codes of a float format index its grid: any byte but a code fails there."""
    g = Graph()
    x = given(g, "x", INT8, 4, 4, 3)
    table = codes(FP4_E2M1, 256)
    y = g.add(Lut(table=tuple(table.tolist()), fmt=FP4_E2M1, scale=1.0), x)
    z = g.add(Reduce(kind="sum", axes=(1, 2)), y)
    g.output(z)
    assert alone(g) == ["reduce"]
    p = plan(g)
    worker = Worker(p)
    dirty = [worker.buffers.room((n,), np.dtype(np.uint8)) for n in (100, 150, 200, 400, 800)]
    for d in dirty:
        d[...] = 255
    del dirty, d
    sums, some = np.empty((2, 1, 1, 3), np.int32), {"x": codes(INT8, 2, 4, 4, 3)}
    worker.run(some, slice(0, 2), {z.name: sums})
    assert_same(simulate(g, some, engine="numpy")[z.name], sums)


def test_views_follow_what_they_look_at():
    g = Graph()
    x = given(g, "x", INT8, 3, 1, 17)
    wide = g.add(Expand(shape=(3, 5, 17)), x)
    y = g.add(Transpose(perm=(0, 2, 1, 3)), wide)
    z = g.add(Reshape(shape=(15, 17)), y)
    part = g.add(Slice(axis=2, start=1, stop=17, step=3), z)
    g.output(g.add(Add(), part, part), g.add(Reduce(kind="sum", axes=(2,)), y), part, wide)
    g.output(g.add(MatMul(), z, fixed(g, INT8, 17, 16)))
    check(g, on_machine=False)
    for seed in range(3):
        same(g, {"x": codes(INT8, 3, 3, 1, 17, seed=seed)})


def test_a_transposed_second_operand_is_read_where_it_lies():
    g = Graph()
    x = given(g, "x", UINT8, 9, 17)
    small = g.add(Requant.to(QType((), INT8, 2.0, -64), x.type, Dyadic16), x)
    across = g.add(Transpose(perm=(0, 2, 1)), small)
    g.output(
        g.add(MatMul(), x, across), g.add(MatMul(), x, g.add(Transpose(perm=(0, 2, 1)), given(g, "y", INT8, 9, 17)))
    )
    assert alone(g) == ["transpose"] * 2
    check(g, on_machine=False)


def test_the_definition_of_an_op_may_give_what_it_was_given():
    """A node whose results share memory with one of two operands is copied, and runs each time."""
    g = layers()

    def lazy(node: Node, *x: Codes) -> tuple[Codes, ...]:
        return run_node(node, "numpy", *x)

    p = plans.planned(g, tuple(g.outputs), lazy)
    for seed in range(3):
        x = codes(INT8, 5, 4, 17, seed=seed)
        want = simulate(g, {"x": x}, engine="numpy")
        got = p.run({"x": x}, 2)
        assert all(np.array_equal(want[k], got[k]) for k in want)
