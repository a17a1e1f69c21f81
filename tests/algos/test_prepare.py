"""prepare -> calibrate -> lower, and life without torch."""

import subprocess
import sys

import numpy as np
import pytest

import algos
from hwsim import Graph, Recipe, simulate
from hwsim.front import FrontGraph, FrontNode


def two_inputs() -> FrontGraph:
    nodes = [FrontNode("add", ("a", "b"), "sum"), FrontNode("relu", ("sum",), "out")]
    return FrontGraph("two", {"a": (3,), "b": (3,)}, {}, nodes, ["out"])


def one_input() -> FrontGraph:
    return FrontGraph("one", {"x": (2, 3)}, {}, [FrontNode("relu", ("x",), "out")], ["out"])


ONES = np.ones((4, 2, 3), np.float32)


@pytest.mark.parametrize(
    "batches",
    [
        [ONES, -3 * ONES],
        iter([ONES, -3 * ONES]),
        ({"x": k * ONES} for k in (1, -3)),
        [(ONES,), [-3 * ONES]],
        [(ONES, np.arange(4)), (-3 * ONES, np.arange(4))],  # a data loader's labels
        np.concatenate([ONES, -3 * ONES]),
        {"x": np.concatenate([ONES, -3 * ONES]).astype(np.float64)},
    ],
)
def test_forms_of_batches(batches):
    p = algos.Prepared(front=one_input())
    assert algos.calibrate(p, batches) is p
    assert p.ranges == {"x": (-3, 1), "out": (0, 1)}


def test_tuples_follow_the_inputs():
    p = algos.calibrate(algos.Prepared(front=two_inputs()), [(np.ones((2, 3)), np.full((2, 3), 5.0))])
    assert p.ranges["a"] == (1, 1)
    assert p.ranges["b"] == (5, 5)
    g = algos.lower(p)
    assert isinstance(g, Graph)
    assert [v.name for v in g.inputs] == ["a", "b"]


@pytest.mark.parametrize(
    ("batches", "told"),
    [
        ([], "calibration set is empty"),
        ([np.ones((2, 2, 3), np.uint8)], r"batch 0, input 'x': dtype uint8; give floats.*255"),
        ([ONES, np.ones((2, 2, 4))], r"shape \(2, 2, 4\) does not match"),
        ([{"y": ONES}], "inputs are"),
        ([(ONES, ONES, ONES)], r"batch 0: 3 items for inputs \['x'\]"),
        ([ONES * np.inf], "NaN or Inf"),
        (["text"], "batch 0, input 'x': dtype"),
    ],
)
def test_bad_batches(batches, told):
    with pytest.raises(ValueError, match=told):
        algos.calibrate(algos.Prepared(front=one_input()), batches)


def test_one_array_for_two_inputs():
    with pytest.raises(ValueError, match=r"one ndarray for inputs \['a', 'b'\]; give a tuple or a dict"):
        algos.calibrate(algos.Prepared(front=two_inputs()), [np.ones((2, 3))])


def test_lower_wants_ranges():
    with pytest.raises(ValueError, match=r"'one' has no ranges yet: call algos.calibrate"):
        algos.lower(algos.Prepared(front=one_input()))


def test_torch_model_to_codes():
    torch = pytest.importorskip("torch", reason="left out: torch model to integer codes (hwsim[algos])")
    nn = torch.nn
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(12, 16), nn.Linear(16, 16)

        def forward(self, x):
            x = self.fc1(x.flatten(1)).relu()
            return (x + self.fc2(x)).relu().reshape(-1, 4, 4)

    model, x = Net(), torch.randn(200, 3, 4)
    p = algos.prepare(model, x[:1], Recipe(weights="int8"))
    algos.calibrate(p, [(x[:100],), (x[100:].bfloat16(),)])
    g = algos.lower(p)
    (out,) = g.outputs
    codes = {e: simulate(g, {"x": x.numpy()}, engine=e)[out.name] for e in ("numpy", "numba")}
    np.testing.assert_array_equal(codes["numpy"], codes["numba"])
    reals = out.type.lsb * (codes["numpy"].astype(float) - out.type.zero_point)
    error = np.abs(reals - model(x).detach().numpy()).max()
    assert error < 6 * out.type.lsb  # a few steps of INT8; the layers' own errors add up


def test_default_recipe_and_the_given_one():
    assert algos.Prepared(front=one_input()).recipe == Recipe()


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # any import of it fails
import numpy as np
import algos, algos.data, algos.evaluation, algos.examples
from algos.prepare import Prepared
from hwsim.front import load_front
images = np.load(algos.examples.IMAGES)
p = algos.calibrate(Prepared(front=load_front(algos.examples.MLP_FRONT)), algos.data.scaled(images["calibration"]))
result = algos.evaluation.evaluate(algos.lower(p), algos.data.scaled(images["images"]), images["labels"])
assert result["accuracy"] > 0.85, result
try:
    algos.prepare(None, None)
except ModuleNotFoundError as e:
    print(e)
"""


def test_without_torch_everything_but_training_and_export_works():
    done = subprocess.run([sys.executable, "-W", "error", "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert done.stdout == "algos needs torch: pip install 'hwsim[algos]'\n", done.stderr


def test_calibrating_again_starts_from_the_float_model():
    weight = np.random.default_rng(1).standard_normal((3, 3)).astype(np.float32)
    params = {"w": weight, "b": np.ones(3, np.float32)}
    nodes = [FrontNode("linear", ("x", "w", "b"), "y"), FrontNode("relu", ("y",), "out")]
    front = FrontGraph("one", {"x": (2, 3)}, params, nodes, ["out"])
    x = np.random.default_rng(0).standard_normal((50, 2, 3)).astype(np.float32)
    p = algos.Prepared(front=front, recipe=Recipe(weights="int4", bias_correction=True))
    first = algos.calibrate(p, x).front.params["y.corrected_bias"]
    assert (first != params["b"]).any()
    np.testing.assert_array_equal(algos.calibrate(p, x).front.params["y.corrected_bias"], first)
    assert p.source is front
