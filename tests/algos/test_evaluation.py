"""Accuracy of graphs, front graphs and torch modules, counted the same way."""

import numpy as np
import pytest

import algos
from algos.data import scaled
from algos.evaluation import classify, evaluate
from algos.examples import IMAGES, MLP_FRONT
from hwsim import Recipe
from hwsim.front import FrontGraph, FrontNode, load_front


@pytest.fixture(scope="module")
def shipped():
    with np.load(IMAGES) as z:
        return load_front(MLP_FRONT), scaled(z["images"]), z["labels"], scaled(z["calibration"])


def identity(n):
    return FrontGraph("same", {"x": (n,)}, {}, [FrontNode("relu", ("x",), "y")], ["y"])


def test_counts_by_hand():
    x = np.array([[0, 1, 2], [5, 1, 0], [3, 3, 0], [1, 2, 3]], np.float64)
    assert classify(identity(3), x.astype(np.float32)).tolist() == [2, 0, 0, 2]  # the first of equal ones
    result = evaluate(identity(3), x, np.array([2, 0, 1, 0]), batch=3)
    assert result == {"samples": 4, "accuracy": 0.5}


def test_reference_and_same():
    x = np.eye(4, 3, dtype=np.float32)
    turned = FrontGraph("turned", {"x": (3,)}, {"w": np.eye(3, dtype=np.float32)[::-1].copy()}, [], ["y"])
    turned.nodes.append(FrontNode("linear", ("x", "w"), "y"))
    result = evaluate(identity(3), x, np.array([0, 1, 1, 2]), reference=turned)
    assert result == {"samples": 4, "accuracy": 0.5, "reference_accuracy": 0.25, "same": 0.5}


@pytest.mark.parametrize("contract", ["dyadic16", "tfl_single", "tflm_double", "onnx_float", "pow2"])
def test_int8_graphs_answer_as_the_float_model(shipped, contract):
    front, images, labels, calibration = shipped
    p = algos.calibrate(algos.Prepared(front=front, recipe=Recipe(contract=contract)), calibration)
    result = evaluate(algos.lower(p), images, labels, reference=front)
    assert result["same"] > 0.98
    assert abs(result["accuracy"] - result["reference_accuracy"]) < 0.01


def test_bad_arguments(shipped):
    front, images, labels, _ = shipped
    with pytest.raises(ValueError, match=r"images: dtype uint8; give floats"):
        evaluate(front, (images * 255).astype(np.uint8), labels)
    with pytest.raises(ValueError, match=r"labels of shape \(511,\)"):
        evaluate(front, images, labels[:511])
    with pytest.raises(ValueError, match="give one label an image"):
        evaluate(front, images[:0], labels[:0])
    two = FrontGraph("two", {"a": (3,), "b": (3,)}, {}, [FrontNode("add", ("a", "b"), "y")], ["y"])
    with pytest.raises(ValueError, match="model has 2 inputs"):
        evaluate(two, np.ones((1, 3), np.float32), np.zeros(1, int))


def test_torch_modules_are_measured_in_eval_mode():
    torch = pytest.importorskip("torch", reason="left out: accuracy of torch modules (hwsim[algos])")
    model = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Identity())
    x = np.eye(5, dtype=np.float32)
    assert evaluate(model, x, np.arange(5), reference=identity(5))["same"] == 1
    assert model.training
