import pytest

from algos.sweep import Space
from hwsim import Recipe
from hwsim.ops.datapath import Datapath
from tests.compare import assert_refused
from tests.hwsim.reports.networks import small_front


def space(base=None, **described):
    return Space.of(described, base or Recipe(), small_front())


def test_what_points_mean():
    s = space(
        Recipe(weights="int4", overrides=(("fc1", {"weights": "int8"}),)),
        choices={
            "accumulator": ["proven", "int20:wrap"],
            "pair": [{"operands": "int4"}, {"residual": "int8", "hardware": "edge-int4"}],
        },
        layers={"fc1": {"accumulator": ["int24:saturate", "int28"]}},
    )
    assert s.size == len(list(s.grid())) == 8
    recipe, tables, hardware = s.recipe((1, 1, 0))
    assert (recipe.weights, recipe.accumulator, recipe.datapath) == ("int4", "int20", Datapath(overflow="wrap"))
    assert (recipe.operands, recipe.residual, tables, hardware) == ("", "int8", "", "edge-int4")
    assert recipe.at("fc1").weights == "int8", "an axis of a layer adds to the base's overrides"
    assert recipe.at("fc1").accumulator == "int24"
    assert recipe.at("fc1").datapath.overflow == "saturate"
    assert s.recipe((0, 0, 1))[0].accumulator == ""
    named = s.named((0, 0, 1))
    wanted = {"accumulator": "proven", "operands": "int4", "residual": "int16", "hardware": "edge-int8"}
    assert named == wanted | {"fc1/accumulator": "int28"}, "what a point leaves alone is the base's"


def test_mixed_precision_has_an_axis_a_layer():
    s = space(each={"*": {"weights": ["int8", "int4"]}})
    assert [a.title for a in s.axes] == ["fc1/weights", "scores/weights"]
    recipe, *_ = s.recipe((0, 1))
    assert (recipe.at("fc1").weights, recipe.at("scores").weights) == ("int8", "int4")


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({}, "axes"),
        ({"choice": {}}, "'choice'"),
        ({"choices": {"weights": "int8"}}, "list"),
        ({"choices": {"weights": []}}, "weights"),
        ({"choices": {"weights": ["int8", "int8"]}}, "different"),
        ({"choices": {"weights": ["int9"]}}, "int9"),
        ({"choices": {"wieghts": ["int8"]}}, "wieghts"),
        ({"choices": {"pair": [{"wieghts": "int8"}]}}, "wieghts"),
        ({"choices": {"tables": [1]}}, "2..64"),
        ({"choices": {"tables": ["8:best"]}}, "each"),
        ({"layers": {"fc1": {"hardware": ["edge-int8"]}}}, "fc1"),
        ({"layers": {"fc1": 3}}, "layers"),
        ({"each": {"none*": {"weights": ["int8"]}}}, "none*"),
    ],
)
def test_refusals(described, words):
    assert_refused(lambda: space(**described), "space", words)
