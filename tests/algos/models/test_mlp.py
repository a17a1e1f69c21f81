"""The shipped network: its code, its weights and its front graph are one thing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the torch twin of the shipped example (hwsim[algos])")

from algos.data import scaled  # noqa: E402
from algos.evaluation import evaluate  # noqa: E402
from algos.examples import IMAGES, MLP_FRONT  # noqa: E402
from algos.export import export  # noqa: E402
from algos.models.mlp import make_model  # noqa: E402
from hwsim.front import dumps_front, load_front  # noqa: E402


@pytest.fixture(scope="module")
def sample():
    with np.load(IMAGES) as z:
        return scaled(z["images"]), z["labels"]


def test_exporting_the_shipped_weights_gives_the_shipped_front_graph():
    shipped, made = load_front(MLP_FRONT), export(make_model(), torch.zeros(1, 28, 28))
    assert made.nodes == shipped.nodes, "algos/models/mlp.py moved: algos.training.train('mlp', out=...) writes it anew"
    assert dumps_front(made) == dumps_front(shipped)


def test_layers_and_places():
    nodes = load_front(MLP_FRONT).nodes
    assert [n.out for n in nodes] == ["flatten", "fc1", "relu1", "fc2", "relu2", "fc3"]
    assert [n.op for n in nodes] == ["reshape", "linear", "relu", "linear", "relu", "linear"]
    assert all(n.where.startswith("mlp.py:") for n in nodes)


def test_torch_and_front_graph_give_the_same_answers(sample):
    result = evaluate(load_front(MLP_FRONT), *sample, reference=make_model())
    assert result["same"] == 1
    assert result["accuracy"] == result["reference_accuracy"]
    assert result["accuracy"] > 0.88


def test_float_accuracy_on_all_test_images(fashion):
    images, labels = fashion["test"]
    assert evaluate(make_model(), scaled(images), labels) == {
        "samples": 10000,
        "accuracy": pytest.approx(0.9, abs=3e-4),
    }
