import dataclasses
import json

import numpy as np
import pytest

from codegen.memory_map import memory_map
from hwsim import Graph
from hwsim.reports import build_report, compare, dumps_report, summary
from hwsim.reports.memory import memory_entry
from hwsim.reports.report import accuracy, check_labels
from hwsim.reports.wording import integer_kind

from .networks import EQUAL, FOOTPRINT, HOSTILE, broken, lowered, samples, small_front


def made(rows=(EQUAL,), front=None, labels=None):
    front = front or small_front()
    graph = lowered(front)
    comparison = compare(graph, samples(), front)
    return build_report(
        graph,
        source="test",
        data="100 samples",
        samples=100,
        verify=rows,
        footprint=FOOTPRINT,
        comparison=comparison,
        labels=labels,
        memory=memory_entry(memory_map(graph)),
    )


def test_report_is_plain_json_and_reproducible():
    first, second = (dumps_report(made(labels=np.zeros(100, np.int64))) for _ in range(2))
    assert first == second
    back = json.loads(first)
    assert back["ok"] is True
    assert back["totals"] == {
        **{"nodes": 5, "macs": 45, "parameters": 53},
        **{"flash_bytes": 100, "arena_bytes": 20, "io_bytes": 9},
    }
    assert [layer["value"] for layer in back["layers"]][-1] == "scores"
    assert back["layers"][-1]["sqnr_db"] > 20
    assert {"hwsim", "numpy"} <= set(back["versions"])


def test_seconds_are_left_out():
    slow = dataclasses.replace(EQUAL, seconds=99.0)
    assert dumps_report(made([EQUAL])) == dumps_report(made([slow]))


@pytest.mark.parametrize(("rows", "ok"), [([], False), ([EQUAL], True), ([EQUAL, broken()], False)])
def test_ok_needs_rows_that_are_all_equal(rows, ok):
    assert made(rows)["ok"] is ok


def test_nothing_compared_is_not_ok():
    report = made([dataclasses.replace(EQUAL, codes=0)])
    assert report["ok"] is False
    assert "Nothing was compared" in summary(report)


def test_accuracy_counts_right_and_same_answers():
    front, graph = small_front(), lowered(small_front())
    c = compare(graph, samples(), front)
    right = c.float_answers.copy()
    right[:10] = (right[:10] + 1) % 3
    got = accuracy(c, right)
    assert got["float_correct"] == 90
    assert got["integer_correct"] == int((c.integer_answers == right).sum())
    assert got["same_answers"] == int((c.integer_answers == c.float_answers).sum())
    assert accuracy(c, None)["integer_correct"] is None


@pytest.mark.parametrize("labels", [np.zeros(99, int), np.zeros((100, 1), int), np.zeros(100), [0.5] * 100])
def test_wrong_labels_are_refused(labels):
    with pytest.raises(ValueError, match="one integer a sample"):
        check_labels(labels, 100)


def test_labels_need_scores():
    c = dataclasses.replace(compare(lowered(small_front()), samples()), integer_answers=None)
    with pytest.raises(ValueError, match="one output"):
        accuracy(c, np.zeros(100, int))


def test_summary_has_the_figures_and_explains_a_mismatch():
    text = summary(made([EQUAL, broken(engine="ort")], labels=np.zeros(100, np.int64)))
    assert "7 codes differ on ort" in text
    assert "expected" not in text
    assert "at index (4, 1) the definition says 12, ort says 13" in text
    assert "float" in text
    assert "INT8" in text
    assert "100 B of constants" in text


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        ({}, "integers"),
        ({"activations": "int8", "weights": "int8"}, "INT8"),
        ({"activations": "int8", "weights": "int4"}, "INT8, INT4 weights"),
        ({"activations": "int8", "weights": "mxfp4", "operands": "fp4_e2m1"}, "INT8, MXFP4 weights, FP4_E2M1 operands"),
        ({"activations": "int8", "weights": "int8", "operands": ""}, "INT8"),
    ],
)
def test_what_the_integers_are_called(recipe, kind):
    assert integer_kind({"recipe": recipe}) == kind


def test_hostile_names_stay_whole_in_json_and_one_line_in_the_summary():
    report = made([broken(HOSTILE)], front=small_front(HOSTILE, HOSTILE))
    assert json.loads(dumps_report(report))["model"]["name"] == HOSTILE
    text = summary(report)
    assert text.isascii() or "\x1b" not in text
    assert max(map(len, text.splitlines())) < 1000


def test_a_graph_without_recipe_or_comparison_has_a_report():
    graph = lowered(small_front())
    graph.recipe = {}
    report = build_report(graph, source="m.qg", data="random", samples=1, verify=[EQUAL], footprint=FOOTPRINT)
    assert report["accuracy"] is None
    assert "accuracy" not in summary(report)
    assert isinstance(graph, Graph)
