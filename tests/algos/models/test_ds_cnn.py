"""The shipped DS-CNN: its code, its weights and its front graph are one thing."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the torch twin of the shipped DS-CNN (hwsim[algos])")

from algos.evaluation import evaluate  # noqa: E402
from algos.examples import DS_CNN_FRONT, WATCH  # noqa: E402
from algos.export import export  # noqa: E402
from algos.models.ds_cnn import make_model  # noqa: E402
from algos.training import MODELS, fit  # noqa: E402
from hwsim.front import dumps_front, load_front  # noqa: E402


def test_exporting_the_shipped_weights_gives_the_shipped_front_graph():
    shipped, made = load_front(DS_CNN_FRONT), export(make_model(), torch.zeros(1, 6, 128))
    assert made.nodes == shipped.nodes, "the model moved: algos.training.train('ds-cnn', out=...) writes it anew"
    assert dumps_front(made) == dumps_front(shipped)
    assert sum(p.numel() for p in make_model().parameters()) == 8_935


def test_answers_on_the_shipped_windows():
    with np.load(WATCH) as z:
        x, labels = z["windows"].astype(np.float32) / z["unit"].astype(np.float32), z["labels"]
    result = evaluate(load_front(DS_CNN_FRONT), x, labels, reference=make_model())
    assert result["same"] == 1
    assert result["accuracy"] > 0.9


def test_accuracy_on_the_held_out_subjects(smartwatch):
    assert evaluate(make_model(), *smartwatch["test"])["accuracy"] == pytest.approx(0.9198, abs=2e-3)


def test_it_learns(smartwatch):
    x, labels = (part[::8] for part in smartwatch["train"])
    example = replace(MODELS["ds-cnn"], epochs=6)
    assert evaluate(fit(example, x, labels, seed=0), x, labels)["accuracy"] > 0.7
