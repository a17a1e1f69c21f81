"""The comparison with the published figures, cut down, and that its targets can be missed."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("deap")

from algos.gqa_lut import fit
from algos.gqa_lut.comparison import CELLS, Cell, measure, measure_all, targets

RECORD = Path(__file__).parents[3] / "docs/evidence/lut.json"
TIMES = ("paper_seconds", "seconds", "certificate_seconds")
EXP = Cell(function="exp", entries=8, published=1.22e-4)
RECIPROCAL = Cell(function="reciprocal", entries=8, fraction=5)


def errors(result):
    return {k: v for k, v in asdict(result).items() if k not in TIMES}


@pytest.fixture(scope="module")
def result():
    return measure(EXP, seeds=2, generations=5)


def test_the_cells_are_the_published_ones():
    assert [(c.function, c.entries) for c in CELLS if c.published] == [
        (name, n) for name in ("gelu", "hswish", "exp", "reciprocal", "rsqrt") for n in (8, 16)
    ]
    assert all(c.bits == 8 for c in CELLS if c.published is None)


def test_a_cell_is_what_the_fits_give(result):
    ours = [fit("exp", 8, seed=s) for s in (0, 1)]
    assert result.ours == tuple(f.mse for f in ours)
    assert result.bound == ours[0].bound == result.alone
    assert result.above == pytest.approx(ours[0].gap)
    assert result.nn_lut == fit("exp", 8, method="nn-lut").mse
    assert len(result.paper) == 2
    assert result.optimal
    assert result.exact
    assert max(result.ours) < EXP.published
    assert 0 < result.certificate_seconds < result.seconds + 1


def test_targets_hold_and_can_be_missed(result):
    assert all(t.kept == t.of == 1 for t in targets([result]))
    bad = replace(
        result, ours=(1e-5, 1.0), optimal=False, exact=False, paper_seconds=9.0, seconds=9.0, certificate_seconds=9.0
    )
    assert [t.kept for t in targets([bad, replace(result, cell=replace(EXP, published=None))])] == [0, *[1] * 7]
    assert [t.of for t in targets([bad, replace(result, cell=replace(EXP, published=None))])] == [1, *[2] * 7]


def test_the_record_is_what_the_fits_give():
    record = json.loads(RECORD.read_text())["lut"]
    assert [(c["function"], c["entries"], c["bits"]) for c in record["cells"]] == [
        (c.function, c.entries, c.bits) for c in CELLS
    ]
    assert all(t["kept"] == t["of"] for t in record["targets"])
    for cell in record["cells"]:
        got = fit(cell["function"], cell["entries"], fraction=cell["fraction"], bits=cell["bits"])
        assert got.mse == pytest.approx(cell["ours"][0], rel=1e-6)
        assert got.bound == pytest.approx(cell["bound"], rel=1e-6)


def test_an_executor_changes_nothing():
    cells = (EXP, RECIPROCAL)
    with ThreadPoolExecutor(2) as executor:
        there = list(measure_all(cells, seeds=1, executor=executor))
    assert [errors(r) for r in there] == [errors(r) for r in measure_all(cells, seeds=1)]
