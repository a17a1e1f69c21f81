import numpy as np
import pytest

from hwsim import Recipe
from hwsim.ops.datapath import PLAIN, Datapath
from hwsim.reports import Choice, ModelError, Trial, compare_models
from tests.compare import assert_refused

from .networks import lowered, samples, small_front

DROP = Recipe(accumulator="int20", datapath=Datapath(overflow="wrap", drop=2), symmetric=True)


@pytest.mark.parametrize(
    ("text", "accumulator", "datapath"),
    [
        ("", "int20", DROP.datapath),
        ("proven", "", PLAIN),
        ("int9", "int9", Datapath(drop=2)),
        ("int9:saturate", "int9", Datapath(overflow="saturate", drop=2)),
    ],
)
def test_a_choice_changes_what_it_names(text, accumulator, datapath):
    made = Choice(weights="int4", accumulator=text).of(DROP)
    assert (made.weights, made.accumulator, made.datapath, made.symmetric) == ("int4", accumulator, datapath, True)


def test_choices_that_are_none():
    for text in ("int16:", "int16:saturate", "proven"):
        Choice(weights="int8", accumulator=text).of(Recipe())
    assert_refused(lambda: Choice(weights="int8", accumulator="uint8").of(Recipe()), "'uint8'")
    assert_refused(lambda: Choice(weights="int8", accumulator="int8:stop").of(Recipe()), "'stop'")
    assert_refused(lambda: Choice(weights="int9").of(Recipe()), "'int9'")


def test_rows_come_in_order_and_refusals_among_them():
    front, begun = small_front(), []
    x = samples(20)

    def make(choice):
        return Trial(lowered(front, choice.of(Recipe())), front, x, np.zeros(20))

    rows = compare_models(make, ("int8", "int2"), ("proven", "int8"), begun.append)
    assert begun == ["int8 proven", "int8 int8", "int2 proven", "int2 int8"]
    assert [(r.weights, r.accumulator) for r in rows] == [tuple(b.split()) for b in begun]
    assert [bool(r.refused) for r in rows] == [False, True, False, True]
    assert "outside int8" in rows[1].refused or "accumulator int8 holds" in rows[1].refused
    assert rows[0].sqnr_db > rows[2].sqnr_db
    answers = front.evaluate(x)["scores"].argmax(1)
    assert rows[0].samples == 20
    assert rows[0].same >= 0.9
    assert abs(rows[0].right - np.mean(answers == 0)) <= 0.1
    assert rows[1] == ModelError(weights="int8", accumulator="int8", refused=rows[1].refused)


def test_bad_data_is_no_refused_row():
    front = small_front()
    graph = lowered(front)
    with pytest.raises(ValueError, match="samples"):
        compare_models(lambda choice: Trial(graph, front, {"x": np.zeros((0, 2, 3), np.float32)}), ("int8",))
