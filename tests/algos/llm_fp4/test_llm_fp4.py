"""The algorithm on models: marks and formats reach the integer graph, errors shrink, every engine agrees."""

from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: LLM-FP4 (pip install 'hwsim[algos]')")

import algos  # noqa: E402
from algos.llm_fp4 import LLMFP4  # noqa: E402
from algos.llm_fp4.capture import captured, fisher  # noqa: E402
from algos.prepare import Prepared  # noqa: E402
from hwsim import QTensor, Recipe  # noqa: E402
from hwsim.formats import FloatFormat  # noqa: E402
from hwsim.front import FrontGraph, FrontNode  # noqa: E402
from tests.backends import check_engines  # noqa: E402
from tests.compare import assert_refused, assert_same  # noqa: E402
from tests.oracles.nets import encoder_net, reals, samples  # noqa: E402

FP4 = Recipe(weights="fp4_e2m1", operands="fp4_e2m1")


def outlier_net():
    """x -> linear -> gelu -> linear; some inputs are 8 times larger, their weights smaller."""
    rng = np.random.default_rng(0)
    gain = np.where(np.arange(24) % 6 == 0, 8, 1)
    params = {
        "w1": (rng.normal(size=(32, 24)) / np.sqrt(gain) / 5).astype(np.float32),
        "b1": rng.normal(0, 0.1, 32).astype(np.float32),
        "w2": (rng.normal(size=(5, 32)) / 6).astype(np.float32),
    }
    nodes = [
        FrontNode("linear", ("x", "w1", "b1"), "fc1"),
        FrontNode("gelu", ("fc1",), "act"),
        FrontNode("linear", ("act", "w2"), "fc2"),
    ]
    data = {"x": (rng.normal(size=(400, 24)) * gain).astype(np.float32)}
    return FrontGraph("outliers", {"x": (24,)}, params, nodes, ["fc2"]), data


def prepared(front, data, recipe=FP4):
    return algos.calibrate(Prepared(front=front, recipe=recipe), data)


def error(p, data):
    graph = algos.lower(p)
    want = p.front.evaluate(data)
    return {o: float(np.mean((reals(graph, data)[o] - want[o]) ** 2)) for o in p.front.outputs}


def test_outliers_need_preshifted_biases():
    front, data = outlier_net()
    p = prepared(front, data)
    found = {pre: LLMFP4(preshift=pre)(p, data) for pre in (True, False)}
    before, after, plain = (error(q, data)["fc2"] for q in (p, found[True], found[False]))
    assert after < 0.75 * plain < 0.75 * before
    scales = found[True].front.marks["x.operand"].scale
    assert len(scales) == 24
    assert max(scales) / min(scales) >= 2
    assert isinstance(found[False].front.marks["x.operand"].scale, float)
    assert "x.operand" not in p.front.marks  # the given model stays as it was


def test_the_graph_has_the_formats_and_scales_that_were_found_on_every_engine():
    front, data = outlier_net()
    q = LLMFP4()(prepared(front, data), data)
    graph = algos.lower(q)
    for name in ("x.operand", "act.operand"):
        v = next(v for v in graph.values() if v.name == name)
        node = next(n for n in q.front.nodes if n.out == name)
        assert v.type.fmt.name == node.attrs["operand"]
        assert v.type.scale == q.front.marks[name].scale
    for layer, param in (("fc1", "w1"), ("fc2", "w2")):
        w = graph.constants[f"{layer}.weight"]
        assert w.type.fmt.name == q.recipe.at(layer).weights
        assert w.type.scale == q.front.marks[param].scale
        assert_same(w.type.fmt.encode(front.params[param].T / w.type.along_axis(w.type.scale)), w.codes)
    check_engines(graph, {"x": data["x"][:16]})


def test_an_encoder_with_products_and_shared_operands():
    front = encoder_net(0)
    data = samples(front)
    p = prepared(front, data)
    q = LLMFP4(rows=256)(p, data)
    assert min(error(p, data)[o] / error(q, data)[o] for o in front.outputs) > 1
    graph = algos.lower(q)
    kinds = Counter(type(v.type.fmt) for n in graph.nodes if n.op.name == "matmul" for v in n.ins[:2])
    assert set(kinds) == {FloatFormat}
    check_engines(graph, {k: x[:4] for k, x in data.items()})
    assert LLMFP4(rows=256)(p, data).front.marks == q.front.marks  # the same seed
    assert LLMFP4(rows=100, seed=1)(p, data).front.marks != q.front.marks


def test_fisher_is_the_square_of_the_gradient():
    front, data = outlier_net()
    labels = np.random.default_rng(1).integers(0, 5, 400)
    got = fisher(front, [(data["x"], labels)], ["fc1", "fc2"])
    x = torch.from_numpy(data["x"])
    w1, b1, w2 = (torch.from_numpy(front.params[n]) for n in ("w1", "b1", "w2"))
    hidden = (x @ w1.T + b1).requires_grad_()
    scores = torch.nn.functional.gelu(hidden) @ w2.T
    torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels), reduction="sum").backward()
    torch.testing.assert_close(got["fc1"], hidden.grad.square())
    wanted = (torch.softmax(scores.detach(), -1) - torch.nn.functional.one_hot(torch.from_numpy(labels), 5)).square()
    torch.testing.assert_close(got["fc2"], wanted)
    q = LLMFP4(objective="fisher", steps=9)(prepared(front, data), [(data["x"], labels)])
    assert set(q.front.marks) == {"x.operand", "act.operand", "w1", "w2"}


def test_values_are_captured_without_the_rest():
    front, data = outlier_net()
    got = captured(front, [{"x": data["x"][:100]}, {"x": data["x"][100:]}], ["act", "fc2"])
    want = front.evaluate(data)
    assert set(got) == {"act", "fc2"}
    for name, x in got.items():
        np.testing.assert_allclose(x.numpy(), want[name], rtol=1e-4, atol=1e-5)


def test_layers_whose_overrides_say_otherwise_stay():
    front, data = outlier_net()
    recipe = Recipe(weights="fp4_e2m1", operands="fp4_e2m1", overrides=(("fc2", {"weights": "int8", "operands": ""}),))
    q = LLMFP4(steps=5)(prepared(front, data, recipe), data)
    assert set(q.front.marks) == {"x.operand", "w1"}
    assert algos.lower(q).constants["fc2.weight"].type.fmt.name == "int8"
    assert isinstance(algos.lower(q).constants["fc1.weight"], QTensor)


def test_dead_channels_have_no_say():
    front, data = outlier_net()
    data = {"x": data["x"] * np.float32(1e-4)}
    data["x"][:, 3] = 0
    p = prepared(front, data)
    q = LLMFP4()(p, data)
    assert error(q, data)["fc2"] < error(p, data)["fc2"]
    scales = np.array(q.front.marks["x.operand"].scale)
    assert scales.max() < 1e-3


def test_rows_of_outliers_are_always_looked_at():
    x = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    x[17] *= 100
    at, count = LLMFP4(rows=40, seed=1).rows_of(x)
    assert int(at[0]) == 17
    assert len(set(at.tolist())) == len(at) == 40
    assert count[:10, 0].tolist() == [1] * 10
    assert float(count.sum()) == pytest.approx(1000)
    assert LLMFP4(rows=2000).rows_of(x)[0].tolist() == list(range(1000))


def test_what_the_search_cannot_keep_is_refused():
    front, data = outlier_net()
    for setting in ({"bias_correction": True}, {"power_of_two": True}, {"per_channel": False}, {"contract": "pow2"}):
        recipe = Recipe(weights="fp4_e2m1", operands="fp4_e2m1", **setting)
        key = "power_of_two" if "contract" in setting else next(iter(setting))
        assert_refused(lambda r=recipe: LLMFP4()(prepared(front, data, r), data), "LLM-FP4", key)
    front.params["w2"] = np.ones((32, 32), np.float32)
    front.nodes.append(FrontNode("linear", ("fc2", "w2"), "fc3"))
    front.outputs = ["fc3"]
    assert_refused(lambda: LLMFP4()(prepared(front, data), data), "'fc2', 'fc3'", "share")
    assert_refused(lambda: LLMFP4()(prepared(*outlier_net()), []), "no batches")


def test_refusals():
    front, data = outlier_net()
    assert_refused(lambda: LLMFP4()(Prepared(front=front, recipe=FP4), data), "no ranges", "calibrate")
    assert_refused(lambda: LLMFP4()(prepared(front, data, Recipe()), data), "no operand", "operands='fp4_e2m1'")
    mixed = Recipe(operands="fp4_e2m1")
    assert_refused(lambda: LLMFP4()(prepared(front, data, mixed), data), "'fc1' (int8)", "'fc2' (int8)")
    assert_refused(lambda: LLMFP4(search="grid"), "'grid'", "additive")
    assert_refused(lambda: LLMFP4(objective="kl"), "'kl'", "fisher")
    assert_refused(lambda: LLMFP4(steps=0), "steps 0")
    assert_refused(lambda: LLMFP4(span=(float("nan"), 1.0)), "nan", "finite")
