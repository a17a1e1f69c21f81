"""`algos.compare`: its rows are what calibrating and lowering each choice by hand gives."""

import numpy as np
import pytest

import algos
from algos import Prepared
from hwsim import Recipe
from hwsim.ops.datapath import Datapath
from hwsim.reports import compare
from tests.compare import assert_refused
from tests.oracles.nets import linear_net, residual_net, samples

RECIPE = Recipe(activations="int8", overrides=(("fc1", {"per_channel": False}),))


def test_rows_are_those_of_each_choice_by_hand():
    front = residual_net(0)
    front.outputs = ["fc3"]
    seen, test = samples(front, 0), samples(front, 1)
    labels = front.evaluate(test)["fc3"].argmax(1)
    p = Prepared(front=front, recipe=RECIPE)
    rows = algos.compare(p, [seen], test, ("int8", "int4"), accumulators=("proven", "int13:saturate"), labels=labels)
    assert (p.front, p.ranges, p.recipe) == (front, {}, RECIPE)
    assert [(r.weights, r.accumulator) for r in rows] == [
        (w, a) for w in ("int8", "int4") for a in ("proven", "int13:saturate")
    ]
    for row in rows:
        if row.refused:
            continue
        recipe = Recipe(**{**RECIPE.__dict__, "weights": row.weights})
        if row.accumulator != "proven":
            recipe = Recipe(**{**recipe.__dict__, "accumulator": "int13", "datapath": Datapath(overflow="saturate")})
        by_hand = Prepared(front=front, recipe=recipe)
        graph = algos.lower(algos.calibrate(by_hand, [seen]))
        found = compare(graph, test, by_hand.front)
        assert row.sqnr_db == found.fidelity["fc3"].sqnr_db
        assert row.right == row.same == np.mean(found.integer_answers == labels)
        assert row.samples == len(labels)
    assert rows[0].sqnr_db > rows[2].sqnr_db
    assert sum(not r.refused for r in rows) >= 3


def test_a_calibrated_model_stays_and_starts_from_its_source():
    """Corrected biases must not be corrected again: what is compared is the model as it came."""
    front = residual_net(1)
    front.outputs = ["fc3"]
    x, recipe = samples(front), Recipe(bias_correction=True, equalize="weights")
    p = algos.calibrate(Prepared(front=front, recipe=recipe), [x])
    settled, ranges = p.front, dict(p.ranges)
    rows = algos.compare(p, [x], x, ("int4", "int2"))
    assert rows == algos.compare(Prepared(front=front, recipe=recipe), [x], x, ("int4", "int2"))
    assert [r.accumulator for r in rows] == ["", ""]
    assert (p.front, p.source, p.ranges) == (settled, front, ranges)


def test_refusals():
    front = linear_net(np.eye(4), np.full(4, 900.0))
    x = samples(front)["x"]
    p = Prepared(front=front)
    (row,) = algos.compare(p, x, x, ("int8",), accumulators=("int8:wrap",))
    assert "'fc'" in row.refused
    assert "bits" in row.refused
    assert_refused(lambda: algos.compare(p, x, x, labels=[1, 2]), "2 labels", f"{len(x)} samples")
    with pytest.raises(ValueError, match="floats"):
        algos.compare(p, x.astype(np.int64), x)
