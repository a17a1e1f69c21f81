"""Simplifying is exact and idempotent; gains fold where nobody else can see the product."""

import numpy as np
import pytest

from hwsim.front import FrontGraph, FrontNode, Mark
from hwsim.lowering.simplify import fold_gains, fold_lookups, simplify
from tests.compare import assert_same
from tests.oracles.nets import encoder_net, residual_net, samples


def scaled(factor, *, ins=("m", "c"), more=(), outputs=("y",)):
    """a @ b, times a parameter c."""
    nodes = [FrontNode("matmul", ("a", "b"), "m", {"gain": 0.5}), FrontNode("mul", ins, "y"), *more]
    params = {"c": np.asarray(factor, np.float32)}
    return FrontGraph("gain", {"a": (2, 3, 4), "b": (2, 4, 3)}, params, nodes, list(outputs))


@pytest.mark.parametrize(
    "front", [encoder_net(0), encoder_net(1, causal=True), residual_net(0), scaled(0.3)], ids=lambda f: f.name
)
def test_twice_is_once_and_changes_no_number(front):
    once = simplify(front)
    once.check()
    twice = simplify(once)
    assert (twice.nodes, list(twice.params), twice.outputs) == (once.nodes, list(once.params), once.outputs)
    data = samples(front, count=8)
    before, after = front.evaluate(data), once.evaluate(data)
    for name in front.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-5, atol=1e-6)  # floats


@pytest.mark.parametrize("factor", [0.35, [0.35], np.float32(1e-3)])
@pytest.mark.parametrize("ins", [("m", "c"), ("c", "m")])
def test_a_gain_folds(factor, ins):
    front = scaled(factor, ins=ins)
    folded = fold_gains(front)
    assert [(n.op, n.ins, n.out) for n in folded.nodes] == [("matmul", ("a", "b"), "y")]
    assert folded.nodes[0].attrs["gain"] == pytest.approx(0.5 * float(np.ravel(factor)[0]))
    assert not folded.params
    assert (front.nodes[0].attrs, list(front.params)) == ({"gain": 0.5}, ["c"])  # the model itself stays as it is
    data = samples(front, count=16)
    np.testing.assert_allclose(folded.evaluate(data)["y"], front.evaluate(data)["y"], rtol=3e-7, atol=1e-9)


def test_gains_in_a_row_fold_together():
    front = scaled(0.25, more=[FrontNode("mul", ("d", "y"), "z")], outputs=["z"])
    front.params["d"] = np.asarray(4.0, np.float32)
    assert [(n.out, n.attrs["gain"]) for n in fold_gains(front).nodes] == [("z", 0.5)]


KEPT = {
    "negative": scaled(-0.5),
    "zero": scaled(0.0),
    "a factor a column": scaled([0.5, 0.25, 1.0]),
    "more axes than the product": scaled(np.full((1, 1, 1, 1, 1), 0.5)),
    "read twice": scaled(0.5, more=[FrontNode("add", ("m", "y"), "z")], outputs=["z"]),
    "an output": scaled(0.5, outputs=["y", "m"]),
    "two values": scaled(0.5, ins=("m", "m")),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_does_not_fold(name):
    front = KEPT[name]
    folded = fold_gains(front)
    assert folded.nodes == front.nodes


def test_a_narrow_copy_serves_everybody():
    """One identity for several readers, and the movement of a wide value is wide."""
    nodes = [
        FrontNode("layer_norm", ("x",), "n", {"eps": 1e-5}),
        FrontNode("relu", ("x",), "r"),
        FrontNode("gelu", ("x",), "g", {"approximate": "none"}),
        FrontNode("transpose", ("x",), "t", {"perm": [0, 2, 1]}),
        FrontNode("matmul", ("n", "t"), "m"),
        FrontNode("mul", ("r", "g"), "u"),
    ]
    front = FrontGraph("readers", {"x": (3, 3)}, {}, nodes, ["m", "u"])
    copies = [(n.ins[0], n.out) for n in simplify(front).nodes if n.op == "identity"]
    assert copies == [("x", "x.narrow"), ("t", "t.narrow")]
    data = samples(front, count=4)
    assert_same(front.evaluate(data)["m"], simplify(front).evaluate(data)["m"])


def looked_up(*, outputs=("y",), more=()):
    """The sigmoid of gelu of rows of a table."""
    nodes = [
        FrontNode("embedding", ("i", "t"), "e"), FrontNode("gelu", ("e",), "g", {"approximate": "tanh"}),
        FrontNode("sigmoid", ("g",), "y"), *more,
    ]  # fmt: skip
    table = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    return FrontGraph("lookup", {"i": (4,)}, {"t": table}, nodes, list(outputs))


def test_functions_of_an_embedding_fold_into_its_table():
    front = looked_up()
    folded = fold_lookups(front)
    folded.check()
    ((table, rows),) = folded.params.items()
    assert [(n.op, n.ins, n.out) for n in folded.nodes] == [("embedding", ("i", table), "y")]
    assert list(front.params) == ["t"]  # the model itself stays as it is
    index = {"i": np.random.default_rng(1).integers(0, 9, (6, 4))}
    assert_same(folded.evaluate(index)["y"], front.evaluate(index)["y"])
    assert_same(rows, front.evaluate({"i": np.arange(9).reshape(9, 1).repeat(4, 1)})["y"][:, 0])
    assert simplify(folded).nodes == folded.nodes


def test_a_table_that_others_read_is_kept_for_them():
    front = looked_up(more=[FrontNode("embedding", ("i", "t"), "z")], outputs=("y", "z"))
    folded = fold_lookups(front)
    assert (len(folded.nodes), list(folded.params)) == (2, ["t", "y.of_table"])


@pytest.mark.parametrize(
    "front",
    [looked_up(outputs=("y", "e")), looked_up(more=[FrontNode("relu", ("e",), "z")], outputs=("y", "z"))],
    ids=["an output", "read twice"],
)
def test_an_embedding_that_somebody_else_reads_stays(front):
    assert fold_lookups(front).nodes == front.nodes


@pytest.mark.parametrize("settled", ["e", "t"])
def test_an_embedding_whose_type_is_settled_stays(settled):
    front = looked_up()
    front.marks[settled] = Mark(0.5)
    assert fold_lookups(front).nodes == front.nodes
