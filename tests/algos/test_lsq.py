"""LSQ: it learns, marks what it learned, says the same twice, and its powers of two are powers of two."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: LSQ (pip install 'hwsim[algos]')")

import algos  # noqa: E402
from algos.evaluation import evaluate  # noqa: E402
from algos.export import export  # noqa: E402
from algos.lsq import LSQ  # noqa: E402
from algos.prepare import Prepared  # noqa: E402
from hwsim import Recipe  # noqa: E402
from hwsim.front import FrontGraph, FrontNode  # noqa: E402


@pytest.fixture(scope="module")
def task():
    """Four classes in a plane, a float network that knows them, and batches with labels."""
    torch.manual_seed(0)
    x = torch.randn(600, 2)
    y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
    net = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    optimizer = torch.optim.Adam(net.parameters(), 3e-2)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    batches = [(x[i : i + 100], y[i : i + 100]) for i in range(0, 600, 100)]
    return export(net, x[:2]), batches, x.numpy(), y.numpy()


def prepared(task, **settings):
    return algos.calibrate(Prepared(front=task[0], recipe=Recipe(**settings)), task[2])


def accuracy(p, task):
    return evaluate(algos.lower(p), task[2], task[3])["accuracy"]


def test_training_recovers_what_two_bit_weights_lose(task):
    p = prepared(task, weights="int2", activations="int4")
    before = accuracy(p, task)
    after = accuracy(LSQ(epochs=20, rate=1e-2)(p, task[1]), task)
    assert after > max(before, 0.85)
    assert accuracy(p, task) == before  # the given model stays as it was


def test_marks_and_repetition(task):
    p = prepared(task, weights="int4")
    first, again = (LSQ(epochs=1)(p, task[1]) for _ in range(2))
    assert first.front.marks == again.front.marks
    assert set(first.front.marks) == {"input", "1", "2", "0.weight", "2.weight"}
    assert [len(first.front.marks[f"{i}.weight"].scale) for i in (0, 2)] == [16, 4]
    for name, w in first.front.params.items():
        np.testing.assert_array_equal(w, again.front.params[name])
    (out,) = algos.lower(first).outputs
    assert out.type.scale == first.front.marks["2"].scale


def test_one_scale_for_all_channels(task):
    trained = LSQ(epochs=1)(prepared(task, per_channel=False), task[1])
    assert isinstance(trained.front.marks["0.weight"].scale, float)
    assert accuracy(trained, task) > 0.9


@pytest.mark.parametrize("contract", ["dyadic16", "pow2"])
def test_powers_of_two(task, contract):
    p = prepared(task, weights="int4", contract=contract)
    trained = LSQ(epochs=5, power_of_two=True)(p, task[1])
    for mark in trained.front.marks.values():
        assert (np.frexp(mark.scale)[0] == 0.5).all()
    assert accuracy(trained, task) > 0.9


def test_without_labels_the_float_model_is_learned(task):
    p = prepared(task, weights="int2")
    unlabelled = [x for x, _ in task[1]]
    results = [LSQ(epochs=10, rate=1e-2)(p, unlabelled), LSQ(epochs=10, rate=1e-2, distill=True)(p, task[1])]
    assert accuracy(results[0], task) == accuracy(results[1], task) > accuracy(p, task) - 0.02


def test_dead_channels_and_generators(task):
    front, batches, x, _ = task
    params = {**front.params, "0.weight": front.params["0.weight"].copy()}
    params["0.weight"][3] = 0
    p = algos.calibrate(Prepared(front=replace(front, params=params), recipe=Recipe(weights="int4")), x)
    trained = LSQ(epochs=2)(p, (b for b in batches))
    assert np.isfinite(trained.front.marks["0.weight"].scale).all()


def test_no_batches(task):
    with pytest.raises(ValueError, match="the training set is empty"):
        LSQ()(prepared(task), [])
    with pytest.raises(ValueError, match="has no ranges yet"):
        LSQ()(Prepared(front=task[0]), task[1])


def test_two_outputs_are_matched_without_labels():
    nodes = [FrontNode("relu", ("x",), "a"), FrontNode("linear", ("a", "w"), "b")]
    front = FrontGraph("two", {"x": (3,)}, {"w": np.eye(3, dtype=np.float32)}, nodes, ["a", "b"])
    x = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    trained = LSQ(epochs=1)(algos.calibrate(Prepared(front=front), x), [x])
    assert set(trained.front.marks) == {"x", "a", "b", "w"}


def test_the_package_names_it():
    assert algos.LSQ is LSQ
    with pytest.raises(AttributeError, match="LSQS"):
        _ = algos.LSQS
