"""Signs fold into parameters exactly, where nobody else sees them."""

import numpy as np
import pytest

from hwsim.front import FrontGraph, FrontNode
from hwsim.lowering.signs import fold_signs
from hwsim.lowering.simplify import simplify
from tests.compare import assert_same
from tests.oracles.nets import samples


def net(*nodes, outputs=("z",), **params):
    numbers = {"minus": -1.0, "p": [[0.5, 2, -3]], "s": [[1, -1, 1]], **params}
    made = [FrontNode(op, tuple(ins.split()), out, attrs) for op, ins, out, attrs in nodes]
    return FrontGraph(
        "signs",
        {"x": (2, 3), "y": (2, 3)},
        {k: np.asarray(p, np.float32) for k, p in numbers.items()},
        made,
        list(outputs),
    )


def mul(ins, out):
    return "mul", ins, out, {}


def concat(ins, out, axis=1):
    return "concat", ins, out, {"axis": axis}


def joined(parts, axis=1, *more, **settings):
    """A product with q of a concat, of which ``a`` is ``-x``."""
    return net(mul("x minus", "a"), concat(parts, "b", axis), mul("b q", "z"), *more, **settings)


FOLDED = {
    "a number": (net(mul("x minus", "a"), mul("a p", "z")), {"z": "x"}),
    "a parameter first": (net(mul("minus x", "a"), mul("p a", "z")), {"z": "x"}),
    "signs of channels": (net(mul("x s", "a"), mul("a p", "z")), {"z": "x"}),
    "a number behind a parameter": (net(mul("x p", "a"), mul("a minus", "z")), {"z": "x"}),
    "three in a row": (net(mul("x p", "a"), mul("a minus", "b"), mul("b s", "z")), {"z": "x"}),
    "first axis": (joined("a y", q=np.arange(12).reshape(4, 3)), {"b.unsigned": "x y"}),
    "last axis": (joined("y a", 2, q=np.arange(6)), {"b.unsigned": "y x"}),
    "a number behind": (joined("a y", q=2.0), {"b.unsigned": "x y"}),
    "both": (joined("a a", q=2.0), {"b.unsigned": "x x"}),
    "beside a parameter": (
        net(mul("x minus", "a"), concat("a q", "b"), mul("b r", "z"), q=np.ones((1, 3)), r=[0.25]),
        {"b.unsigned": "x q"},
    ),
    "read by two products": (
        joined("a y", 1, mul("r b", "v"), outputs=("z", "v"), q=2.0, r=[3]),
        {"b.unsigned": "x y"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDED)
def test_no_number_changes(name):
    front, reads = FOLDED[name]
    before = len(front.nodes), list(front.params)
    folded = fold_signs(front)
    folded.check()
    assert len(folded.nodes) < len(front.nodes)
    assert (len(front.nodes), list(front.params)) == before  # the model itself stays as it is
    made = {n.out: n.ins for n in folded.nodes}
    for out, ins in (reads or {}).items():
        assert [i for i in made[out] if not i.endswith(".signed")] == ins.split()
    data = samples(front, count=8)
    for out in front.outputs:
        assert_same(front.evaluate(data)[out], folded.evaluate(data)[out], what=out)
    again = fold_signs(folded)
    assert (again.nodes, list(again.params)) == (folded.nodes, list(folded.params))


KEPT = {
    "no sign": net(mul("x p", "a"), mul("a p", "z")),
    "read twice": net(mul("x minus", "a"), mul("a p", "b"), ("add", "a b", "z", {})),
    "an output": net(mul("x minus", "a"), mul("a p", "z"), outputs=("z", "a")),
    "two values": net(mul("x minus", "a"), mul("a y", "z")),
    "joined for a sum": net(mul("x minus", "a"), concat("a y", "b"), ("relu", "b", "z", {})),
    "joined, an output": joined("a y", outputs=("z", "b"), q=2.0),
    "joined, read elsewhere": net(
        mul("x minus", "a"), concat("a y", "b"), mul("b q", "c"), ("add", "b c", "z", {}), q=2.0
    ),
    "joined, signs of channels": net(mul("x s", "a"), concat("a y", "b"), mul("b q", "z"), q=2.0),
    "joined and read": net(
        mul("x minus", "a"), concat("a y", "b"), mul("b q", "c"), mul("a p", "z"), outputs=("c", "z"), q=2.0
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_others_see_stays(name):
    front = KEPT[name]
    assert fold_signs(front).nodes == front.nodes


@pytest.mark.parametrize(("order", "names"), [("y1 y", ["q.signed"] * 2), ("y y1", ["q.signed", "q.signed.1"])])
def test_equal_tables_are_one_parameter(order, names):
    """Query and key turn by the same sines; with other signs the sines are others."""
    parts = {"x": "x1 x", "y": order}
    steps = [(mul(f"{v} minus", f"{v}1"), concat(parts[v], f"{v}2"), mul(f"{v}2 q", f"{v}3")) for v in parts]
    front = net(*steps[0], *steps[1], outputs=("x3", "y3"), q=np.arange(12).reshape(4, 3))
    folded = simplify(front)
    assert list(folded.params) == list(dict.fromkeys(names))
    assert [n.ins[1] for n in folded.nodes if n.op == "mul"] == names
