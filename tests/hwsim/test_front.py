import numpy as np
import pytest

from hwsim.front import FrontGraph, FrontNode, dumps_front, evaluate_in_batches, load_front
from tests.compare import assert_one_line, assert_refused, assert_same
from tests.oracles.nets import linear_net, residual_net, samples


def node(op, ins, out, **attrs):
    return FrontNode(op, ins, out, attrs)


def test_a_net_by_hand():
    rng = np.random.default_rng(0)
    front = residual_net(0)
    p, x = front.params, rng.normal(size=(5, 4, 4)).astype(np.float32)
    flat = x.reshape(5, 16).astype(np.float64)
    hidden = np.maximum(flat @ p["w1"].T + p["b1"], 0)
    total = np.maximum(hidden @ p["w2"].T + p["b2"] + flat, 0)
    got = front.evaluate({"x": x})
    assert {v.dtype for v in got.values()} == {np.dtype(np.float32)}
    assert np.allclose(got["act2"], total, rtol=1e-5, atol=1e-5)
    assert np.allclose(got["fc3"], total @ p["w3"].T + p["b3"], rtol=1e-5, atol=1e-5)
    assert front.shapes() == {k: v.shape[1:] for k, v in got.items()}


def test_batches_are_joined():
    front = residual_net(1)
    x = samples(front, count=10)["x"]
    whole = front.evaluate({"x": x})
    parts = evaluate_in_batches(front, [{"x": x[:3]}, {"x": x[3:4]}, {"x": x[4:]}])
    assert set(parts) == set(whole)
    for name, y in whole.items():
        assert y.shape == parts[name].shape
        assert np.allclose(y, parts[name], rtol=1e-6, atol=1e-6)


def test_files_come_back_byte_for_byte(tmp_path):
    front = residual_net(2)
    data = dumps_front(front)
    assert data == dumps_front(residual_net(2))
    path = tmp_path / "net.npz"
    path.write_bytes(data)
    again = load_front(path)
    assert dumps_front(again) == data
    assert (again.name, again.inputs, again.outputs, again.nodes) == (
        front.name,
        front.inputs,
        front.outputs,
        front.nodes,
    )
    for name, p in front.params.items():
        assert_same(p, again.params[name], what=name)


def test_consumers():
    front = residual_net(0)
    assert [n.out for n in front.consumers("flat")] == ["fc1", "sum"]
    assert front.consumers("fc3") == []


CHECKS = {
    "unknown operations, all of them": (
        {"nodes": [FrontNode("fft", ("x",), "y", where="net.py:3"), node("sort", ("y",), "z")]},
        *("fft (y, net.py:3)", "sort (z)", "relu"),
    ),
    "nothing defines it": ({"nodes": [node("relu", ("z",), "y")]}, "relu 'y'", "['z']"),
    "order": ({"nodes": [node("relu", ("z",), "y"), node("relu", ("x",), "z")]}, "['z']"),
    "twice": ({"nodes": [node("relu", ("x",), "y"), node("relu", ("x",), "y")]}, "'y'", "twice"),
    "over an input": ({"nodes": [node("relu", ("x",), "x")]}, "'x'", "twice"),
    "output": ({"nodes": [], "outputs": ["y"]}, "['y']"),
    "parameter as output": ({"params": {"w": np.ones(2, np.float32)}, "nodes": [], "outputs": ["w"]}, "['w']"),
    "nan": ({"params": {"w": np.array([1, np.nan], np.float32)}, "nodes": []}, "'w'", "nan", "(1,)"),
    "inf": ({"params": {"w": np.array([[1], [-np.inf]], np.float32)}, "nodes": []}, "'w'", "-inf", "(1, 0)"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_graphs_that_are_none_are_refused(name, tmp_path):
    fields, *culprits = CHECKS[name]
    front = FrontGraph(**{"inputs": {"x": (3,)}, "outputs": [], **fields})
    assert_refused(front.check, *culprits)
    path = tmp_path / "net.npz"
    path.write_bytes(dumps_front(front))
    assert_refused(lambda: load_front(path), *culprits)


INPUTS = {
    "missing": ({}, "[]", "['x']"),
    "extra": ({"x": np.zeros((1, 3)), "y": 1}, "'y'"),
    "shape": ({"x": np.zeros((2, 4))}, "'x'", "(2, 4)", "(3,)"),
    "no batch": ({"x": np.zeros(3)}, "(3,)"),
    "scalar": ({"x": 1.0}, "()"),
    "empty": ({"x": np.zeros((0, 3))}, "(0, 3)"),
    "nan": ({"x": np.array([[0, np.nan, np.nan]])}, "'x'", "2 elements", "NaN"),
    "inf": ({"x": np.array([[0, np.inf, 0]])}, "1 elements"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_bad_inputs_are_refused(name):
    data, *culprits = INPUTS[name]
    assert_refused(lambda: linear_net(np.ones((2, 3))).evaluate(data), *culprits)


def test_weights_that_do_not_fit_are_refused_with_their_place():
    front = linear_net(np.ones((2, 3)))
    front.inputs["x"] = (4,)
    with pytest.raises(ValueError, match="fc") as e:
        front.shapes()
    assert_one_line(e.value, "linear", "(2, 3)", "4")


def test_no_batches():
    with pytest.raises(ValueError, match="empty") as e:
        evaluate_in_batches(residual_net(0), [])
    assert_one_line(e.value)
