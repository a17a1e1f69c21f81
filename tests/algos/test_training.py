"""Training: the same seed gives the same bits, it learns, and it leaves no traces in the caller's torch."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: training (pip install 'hwsim[algos]')")

from algos import training  # noqa: E402
from algos.data import scaled  # noqa: E402
from algos.evaluation import evaluate  # noqa: E402
from algos.examples import MLP_FRONT  # noqa: E402
from algos.training import MODELS, fit, learning_rate, train  # noqa: E402
from hwsim.front import load_front  # noqa: E402

SHORT = replace(MODELS["mlp"], epochs=6, batch=50, mirror=False)


def weights(model):
    return torch.cat([p.flatten() for p in model.parameters()]).detach().numpy()


def test_same_seed_same_bits_other_seed_other_bits(toy):
    brief = replace(SHORT, epochs=1, mirror=True)
    first, again, other = (weights(fit(brief, *toy, seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


def test_it_learns_and_disturbs_nothing(toy):
    images, labels = toy
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    model = fit(SHORT, images, labels, seed=0)
    assert evaluate(model, scaled(images), labels)["accuracy"] > 0.9
    assert not model.training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_train_writes_the_files_and_names_its_seed(toy, tmp_path, monkeypatch, capsys):
    written = []
    brief = replace(SHORT, data=lambda split: toy, write_sample=written.append)
    monkeypatch.setitem(training.MODELS, "mlp", brief)
    metrics = train("mlp", seed=5, out=tmp_path / "new", quiet=True)
    assert (metrics["model"], metrics["seed"], metrics["epochs"]) == ("mlp", 5, 6)
    assert metrics["test_accuracy"] == metrics["train_accuracy"] > 0.9
    assert capsys.readouterr() == ("", "")
    assert [p.name for p in written] == ["fashion_mnist.npz"]
    front = load_front(tmp_path / "new" / MLP_FRONT.name)
    assert evaluate(front, scaled(toy[0]), toy[1])["accuracy"] == metrics["test_accuracy"]


def test_unknown_model():
    with pytest.raises(ValueError, match="model 'resnet80' is unknown: use one of mlp"):
        train("resnet80")


def test_learning_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(i, 1000) for i in range(1000)]
    top = int(np.argmax(rates))
    assert (rates[0], top) == (1 / 100, 99)
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] < 1e-5
