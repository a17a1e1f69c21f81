import numpy as np
import pytest

from hwsim import INT8, INT16, INT32, INT64, Dyadic16, Graph, QTensor, QType
from hwsim.ops import Add, MatMul, Mul, Requant, Reshape, Split
from hwsim.ranges import Interval
from tests.compare import assert_refused


def int8(*shape, scale=1.0):
    return QType(shape, INT8, scale)


def small():
    """A graph with one input x of shape (N, 4)."""
    g = Graph("small")
    return g, g.input("x", int8("N", 4))


def state(g):
    return list(g.reach), list(g.nodes), list(g.inputs), list(g.constants), list(g.outputs)


def refused(g, call, *culprits):
    """The call raises one line with the culprits and leaves the graph as it was."""
    before = state(g)
    assert_refused(call, *culprits)
    assert state(g) == before, "a refused call has changed the graph"


def test_values_come_in_order_with_types_and_reach():
    g, x = small()
    y = g.add(Add(), x, x)
    z = g.add(Add(), y, x, name="z")
    assert [v.name for v in g.values()] == ["x", "add_0", "z"]
    assert (y.type.shape, y.type.fmt, g.reach["z"]) == (("N", 4), INT32, Interval(-384, 381))
    assert [(n.op, n.ins, n.outs) for n in g.nodes] == [(Add(), (x, x), (y,)), (Add(), (y, x), (z,))]


def test_generated_names_avoid_taken_ones():
    g, x = small()
    g.input("add_0", int8("N", 4))
    g.input("split_1.1", int8("N", 4))
    assert g.add(Add(), x, x).name == "add_0_"
    assert [v.name for v in g.add_all(Split(axis=1, sizes=(1, 3)), x)] == ["split_1.0", "split_1.1_"]


def test_a_name_is_defined_once():
    g, x = small()
    c = QTensor(int8(4), np.zeros(4, np.int8))
    g.constant("c", c)
    for name in ("x", "c"):
        refused(g, lambda n=name: g.input(n, int8("N", 4)), repr(name), "'small'")
        refused(g, lambda n=name: g.constant(n, c), repr(name))
        refused(g, lambda n=name: g.add(Add(), x, x, name=n), repr(name))
    for name in (5, "", None):
        refused(g, lambda n=name: g.input(n, int8("N", 4)), repr(name))


def test_results_of_one_node_have_different_names():
    g, x = small()
    refused(g, lambda: g.add_all(Split(axis=1, sizes=(2, 2)), x, names=("a", "a")), "'a'")
    g.add_all(Split(axis=1, sizes=(2, 2)), x, names=("a", "b"))


def test_values_of_other_graphs_are_refused():
    g, _ = small()
    stranger = Graph("other").input("y", int8("N", 4))
    refused(g, lambda: g.add(Add(), stranger, stranger), "'y'", "node 0 (add)")
    refused(g, lambda: g.output(stranger), "'y'")


def test_values_of_other_graphs_are_refused_under_a_known_name():
    g, _ = small()
    stranger = Graph("other").input("x", QType(("N", 9), INT16, 0.25))
    refused(g, lambda: g.add(Add(), stranger, stranger), "'x'")
    refused(g, lambda: g.output(stranger), "'x'")


def test_an_op_gets_as_many_inputs_as_it_has():
    g, x = small()
    refused(g, lambda: g.add(Add(), x), "node 0 (add)", "1 inputs")
    refused(g, lambda: g.add(Add(), x, x, x), "3 inputs")
    refused(g, lambda: g.add(Add()), "0 inputs")


def test_results_are_named_as_many_as_they_are():
    g, x = small()
    refused(g, lambda: g.add_all(Split(axis=1, sizes=(1, 3)), x, names=("a",)), "1 names for 2 results")
    refused(g, lambda: g.add_all(Add(), x, x, names=("a", "b")), "2 names for 1 results")
    assert len(g.add_all(Split(axis=1, sizes=(4,)), x)) == 1


def test_add_is_for_ops_with_one_result():
    g, x = small()
    with pytest.raises(ValueError, match="split has 2 results: use add_all"):
        g.add(Split(axis=1, sizes=(1, 3)), x)


OVERFLOWS = {
    "add": (Add(fmt=INT8), "-256..254", "int8 (-128..127)"),
    "mul": (Mul(fmt=INT8), "-16256..16384", "int8"),
    "matmul": (MatMul(acc=INT8), "-65024..65536", "int8"),
    "add in 63 bits": (Add(fmt=INT64), None),
}


@pytest.mark.parametrize("name", OVERFLOWS)
def test_overflow_is_refused_with_the_values(name):
    op, *culprits = OVERFLOWS[name]
    g, x = small()
    ins = (x, g.input("w", int8(4, 2))) if op.name == "matmul" else (x, x)
    if culprits == [None]:
        g.add(op, *ins)
        big = g.input("big", QType(("N", 4), INT64))
        refused(g, lambda: g.add(op, big, x), str(2**63 + 126), "int64")
    else:
        refused(g, lambda: g.add(op, *ins, name="y"), *culprits, "'y'", f"node 0 ({op.name})", "wider")


def test_reach_shrinks_what_later_ops_must_hold():
    g, x = small()
    y = g.add(Requant(contract=Dyadic16.of(1.0), fmt=INT8, scale=1.0, lo=-3, hi=5), x)
    assert g.reach[y.name] == (-3, 5)
    assert g.reach[g.add(Mul(fmt=INT8), y, y).name] == (-15, 25)


def test_constants_have_no_batch_and_reach_what_they_hold():
    g = Graph()
    batched = QTensor(int8("N", 2), np.zeros((3, 2), np.int8))
    refused(g, lambda: g.constant("c", batched), "'c'", "batch")
    c = g.constant("c", QTensor(int8(2), np.array([-5, 9], np.int8)))
    assert g.reach["c"] == (-5, 9)
    g.output(c)
    assert g.outputs == [c]


def test_outputs_of_a_batched_graph_are_batched():
    g, x = small()
    c = g.constant("c", QTensor(int8(4), np.zeros(4, np.int8)))
    refused(g, lambda: g.output(c), "'c'", "no batch axis")
    y = g.add(Add(), x, c)
    g.output(y, x)
    assert g.outputs == [y, x]


def test_results_lists_each_value_once():
    g, x = small()
    y = g.add(Add(), x, x, name="y")
    z = g.add(Reshape(shape=(2, 2)), y, name="z")
    g.output(z, x, z)
    assert g.results() == [z, x]
    assert g.results(trace=True) == [y, z, x]


def test_long_type_errors_stay_one_line():
    g = Graph()
    x = g.input("x", int8("N", 3))
    w = g.input("w", int8(4, 2))
    refused(g, lambda: g.add(MatMul(), x, w), "('N', 3) @ (4, 2)")
