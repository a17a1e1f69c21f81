from __future__ import annotations

import numpy as np

from codegen.explanation import explain_codes, islands
from hwsim.contracts import Dyadic16, OnnxFloat, TflmDouble, TflSingle
from hwsim.formats import INT8, INT32
from hwsim.graph import Graph
from hwsim.ops import Requant, Reshape
from hwsim.qtensor import BATCH, QType
from hwsim.simulation import simulate
from tests.compare import assert_refused
from tests.hwsim.reports.markup import words

X = np.arange(-3000, 3000, dtype=np.int32).reshape(-1, 2)


def rescaled(contract: type = TflSingle) -> Graph:
    """Two requantizations of ratio 1/16, so that one code in 16 is a tie, and a reshape between them."""
    g = Graph("rescaled")
    x = g.input("x", QType((BATCH, 2), INT32, 1.0))
    first = g.add(Requant.to(QType((), INT8, 16.0, 3), x.type, contract), x, name="first")
    moved = g.add(Reshape(shape=(2, 1)), first, name="moved")
    g.output(g.add(Requant.to(QType((), INT8, 32.0), moved.type, contract), moved, name="last"))
    return g


def test_equal_engines() -> None:
    g = rescaled()
    e = explain_codes(g, "itself", {"x": X}, simulate(g, {"x": X}, trace=True))
    assert e.ok
    assert [(r.value, r.codes, r.differ, r.largest) for r in e.rows] == [
        ("first", 6000, 0, 0), ("moved", 6000, 0, 0), ("last", 6000, 0, 0)
    ]  # fmt: skip


def test_the_contract_of_the_other_engine_is_named() -> None:
    ours, other = rescaled(TflSingle), rescaled(TflmDouble)
    theirs = simulate(other, {"x": X}, trace=True)
    e = explain_codes(ours, "other", {"x": X}, {k: theirs[k] for k in ("first", "last")})
    assert not e.ok
    wrong = simulate(ours, {"x": X}, trace=True)["first"] != theirs["first"]
    assert next((r.value, r.differ, r.largest) for r in e.rows) == ("first", int(wrong.sum()), 1)
    assert e.first is not None
    assert e.first.value == "first"
    assert e.first.node == "requant (tfl_single, half_away)"
    assert (e.first.exact, e.first.ours, e.first.theirs) == (3.4375, 3, 4), "7 / 2 -> 4, 4 / 8 -> 1: twice"
    assert [(p.value, p.code) for p in e.first.parts] == [("x", 7), ("first", 3)]
    agree = {(c.contract, c.rounding) for c in e.first.agree}
    assert ("tflm_double", "") in agree
    assert ("tfl_single", "half_away") not in agree
    assert ("onnx_float", "") not in agree
    by_name = {(c.contract, c.rounding): c.differ for c in e.first.candidates}
    assert by_name["tfl_single", "half_away"] == wrong.sum()


def test_a_node_reads_the_codes_of_the_other_engine() -> None:
    """Why: what `first` gets wrong must not be counted again in `last`."""
    g = rescaled(OnnxFloat)
    theirs = simulate(g, {"x": X}, trace=True)
    theirs["first"] = np.where(theirs["first"] == 5, 9, theirs["first"]).astype(np.int8)
    last = rescaled(OnnxFloat).nodes[-1].op
    assert isinstance(last, Requant)
    source = g.nodes[-1].ins[0].type
    theirs["moved"] = theirs["first"].reshape(-1, 2, 1)
    theirs["last"] = last.run((source,), theirs["moved"])
    rows = {r.value: r.differ for r in explain_codes(g, "other", {"x": X}, theirs).rows}
    assert rows["first"] > 0
    assert (rows["moved"], rows["last"]) == (0, 0)


def test_values_that_are_ours_alone_belong_to_the_next_one() -> None:
    g = rescaled()
    found = {v.name: [o.name for n in nodes for o in n.outs] for v, nodes in islands(g, {"x", "first", "last"})}
    assert found == {"first": ["first"], "last": ["moved", "last"]}


def test_a_shift_is_tried_where_it_can_apply_the_ratio() -> None:
    g = Graph("thirds")
    x = g.input("x", QType((BATCH, 2), INT32, 1.0))
    g.output(g.add(Requant.to(QType((), INT8, 3.0), x.type, Dyadic16), x, name="y"))
    wrong = {"y": simulate(g, {"x": X})["y"] - np.int8(1)}
    first = explain_codes(g, "other", {"x": X}, wrong).first
    assert first is not None
    assert {c.contract for c in first.candidates} == {"dyadic16", "tfl_single", "tflm_double", "onnx_float"}
    assert first.agree == ()


def test_refused() -> None:
    g = rescaled()
    assert_refused(lambda: explain_codes(g, "other", {"x": X}, {"y": X}), "other", "no value", "y")
    assert_refused(lambda: explain_codes(g, "other", {"x": X}, {"first": X[:, :1]}), "first", "(3000, 1)")


def test_what_is_printed() -> None:
    ours, other = rescaled(TflSingle), rescaled(TflmDouble)
    text = str(explain_codes(ours, "other", {"x": X}, simulate(other, {"x": X}, trace=True)))
    assert "first difference: value 'first' of requant (tfl_single, half_away) at index (1503, 1)" in text
    assert "ours 3, other 4; exactly 3.4375 before rounding" in text
    assert "there: x 7 (given), first 3 (requant)" in text
    assert "equal to other on every code: tflm_double" in text
    same = explain_codes(ours, "itself", {"x": X}, simulate(ours, {"x": X}, trace=True))
    assert str(same).endswith("equal: 3 values, 18000 codes")
    assert "Every code equal to itself" in words(same._repr_html_())
    parted = explain_codes(ours, "other", {"x": X}, simulate(other, {"x": X}, trace=True))
    assert "equal to other on every code: tflm_double" in words(parted._repr_html_())
    assert parted._repr_html_().count('<tr class="bad">') == 2 * sum(r.differ > 0 for r in parted.rows)
