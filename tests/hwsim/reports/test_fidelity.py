import numpy as np
import pytest

from hwsim import BATCH, INT8, Graph, QType, quantize
from hwsim.front import FrontGraph, FrontNode
from hwsim.ops import MatMul
from hwsim.reports import compare
from hwsim.reports.fidelity import BATCH_SIZE

from .networks import lowered, samples, small_front


def identity(scale: float) -> tuple[FrontGraph, Graph]:
    front = FrontGraph(inputs={"x": (4,)}, outputs=["y"])
    front.nodes = [FrontNode("reshape", ("x",), "y", {"shape": [4]})]
    g = Graph()
    from hwsim.ops import Reshape

    g.output(g.add(Reshape(shape=(4,)), g.input("x", QType((BATCH, 4), INT8, scale)), name="y"))
    return front, g


def test_sqnr_is_the_formula_on_the_dequantized_trace():
    front, graph = identity(0.1)
    x = np.random.default_rng(0).uniform(-5, 5, (300, 4)).astype(np.float32)  # several batches
    got = compare(graph, {"x": x}, front)
    wide = x.astype(np.float64)
    error = wide - quantize(wide, INT8, scale=0.1).dequantize()
    want = 10 * np.log10((wide**2).sum() / (error**2).sum())
    assert got.samples == 300
    assert got.fidelity["x"].sqnr_db == got.fidelity["y"].sqnr_db == pytest.approx(want, abs=0.006)
    assert got.fidelity["y"].max_error == pytest.approx(np.abs(error).max(), rel=1e-3)
    assert got.fidelity["y"].max_error_lsb == pytest.approx(np.abs(error).max() / 0.1, abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_no_noise_and_no_signal_have_no_sqnr(value):
    front, graph = identity(1.0)
    got = compare(graph, {"x": np.full((2, 4), value, np.float32)}, front).fidelity["y"]
    assert (got.sqnr_db, got.max_error) == (None, 0.0)


def test_what_float32_itself_rounds_is_no_noise():
    front, graph = identity(1 / 255)
    x = (np.arange(-64, 64, dtype=np.float32) / np.float32(255)).reshape(-1, 4)
    got = compare(graph, {"x": x}, front).fidelity["y"]
    assert (got.sqnr_db, got.max_error) == (None, 0.0)


def test_only_values_of_equal_name_are_compared():
    assert list(compare(lowered(small_front()), samples(), small_front()).fidelity) == ["x", "flat", "relu1", "scores"]


def test_answers_are_the_largest_scores_over_all_batches():
    front, x = small_front(), samples(2 * BATCH_SIZE + 3)
    got = compare(lowered(front), x, front)
    np.testing.assert_array_equal(got.float_answers, front.evaluate(x)["scores"].argmax(1))
    assert got.integer_answers.shape == (2 * BATCH_SIZE + 3,)
    assert (got.integer_answers == got.float_answers).mean() > 0.9


def test_without_float_there_are_answers_and_no_fidelity():
    got = compare(lowered(small_front()), samples(5))
    assert got.fidelity == {}
    assert got.float_answers is None
    assert got.integer_answers.shape == (5,)


def test_outputs_that_are_no_scores_give_no_answers():
    g = Graph()
    x = g.input("x", QType((BATCH, 2, 3), INT8))
    g.output(g.add(MatMul(), x, g.constant("w", quantize(np.ones((3, 2)), INT8))))
    assert compare(g, {"x": np.zeros((4, 2, 3), np.int8)}).integer_answers is None


@pytest.mark.parametrize("n", [0, 1])
def test_unequal_or_no_samples_are_refused(n):
    g = Graph()
    a, b = (g.input(k, QType((BATCH, 2, 2), INT8)) for k in "ab")
    g.output(g.add(MatMul(), a, b))
    codes = {"a": np.zeros((n, 2, 2), np.int8), "b": np.zeros((2 * n, 2, 2), np.int8)}
    with pytest.raises(ValueError, match="numbers of samples"):
        compare(g, codes)
