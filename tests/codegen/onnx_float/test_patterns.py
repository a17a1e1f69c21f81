"""Decomposed functions, norms, softmax and one-hot products become one node with the right constants."""

from __future__ import annotations

import math

import numpy as np
import pytest

from codegen.onnx_float import front_graph
from codegen.onnx_model import load_model
from codegen.unsupported import Unsupported
from hwsim.front import FrontGraph

from .outside import model, ort_answers, reals

F = np.float32
NUMBERS = {
    "half": F(0.5), "one": F(1), "two": F(2), "three": F(3), "six": F(6), "zero": F(0), "root2": F(math.sqrt(2)),
    "root": F(math.sqrt(2 / math.pi)), "c": F(0.044715), "sixth": F(1 / 6), "eps": F(1e-5), "eighth": F(1 / 8),
    "last": np.array([-1]), "first": np.array([1]), "minus": F(-0.5),
}  # fmt: skip
ERF = "d = Div(x, root2)\ne = Erf(d)\np = Add(e, one)\n"
FUNCTIONS = {
    f"{ERF}h = Mul(x, half)\ny = Mul(h, p)": "gelu none",
    f"{ERF}h = Mul(x, p)\ny = Mul(half, h)": "gelu none",
    "q = Mul(x, x)\nu = Mul(q, x)\nv = Mul(c, u)\nw = Add(x, v)\ns = Mul(root, w)\nt = Tanh(s)\np = Add(one, t)\n"
    "g = Mul(p, half)\ny = Mul(x, g)": "gelu tanh",
    "u = Pow(x, three)\nv = Mul(u, c)\nw = Add(v, x)\ns = Mul(w, root)\nt = Tanh(s)\np = Add(t, one)\n"
    "h = Mul(x, half)\ny = Mul(h, p)": "gelu tanh",
    "s = Sigmoid(x)\ny = Mul(x, s)": "silu",
    "n = Neg(x)\ne = Exp(n)\np = Add(e, one)\ny = Reciprocal(p)": "sigmoid",
    "p = Add(x, three)\nk = Clip(p, zero, six)\nm = Mul(x, k)\ny = Div(m, six)": "hardswish",
    "h = HardSigmoid<alpha=0.16666667, beta=0.5>(x)\ny = Mul(h, x)": "hardswish",
    "y = HardSwish(x)": "hardswish",
    "y = HardSigmoid<alpha=0.16666667>(x)": "hardsigmoid",
    "y = Max(x, zero)": "relu",
    "y = Clip(x, zero)": "relu",
    "m = Min(x, six)\ny = Relu(m)": "relu6",
    "y = Sigmoid(x)": "sigmoid",
    "y = Tanh(x)": "tanh",
    'y = Gelu<approximate="tanh">(x)': "gelu tanh",
    "y = Gelu(x)": "gelu none",
}
MEAN = "m = ReduceMean<axes=[-1]>(x)\nz = Sub(x, m)\n"
NORMS = {
    f"{MEAN}q = Pow(z, two)\nv = ReduceMean<axes=[-1]>(q)\nw = Add(v, eps)\ns = Sqrt(w)\nu = Div(z, s)\n"
    "k = Mul(u, g)\ny = Add(k, b)": ("layer_norm", True, True),
    f"{MEAN}q = Mul(z, z)\nv = ReduceMean<axes=[-1]>(q)\nw = Add(v, eps)\ns = Sqrt(w)\nu = Div(z, s)\ny = Mul(g, u)": (
        "layer_norm", True, False,
    ),
    f"{MEAN}q = Mul(z, z)\nv = ReduceMean<axes=[-1]>(q)\nw = Add(v, eps)\ns = Pow(w, minus)\ny = Mul(z, s)": (
        "layer_norm", False, False,
    ),
    "t = ReduceSum<keepdims=0>(x, last)\nm = Mul(t, eighth)\nq = Mul(x, x)\nr = ReduceSum<keepdims=0>(q, last)\n"
    "v = Mul(r, eighth)\na = Mul(m, m)\nd = Sub(v, a)\nf = Max(zero, d)\nw = Add(f, eps)\ns = Sqrt(w)"
    "\ni = Reciprocal(s)\nj = Unsqueeze(i, last)\n"
    "k = Mul(j, g)\nn = Unsqueeze(m, last)\nz = Sub(x, n)\no = Mul(z, k)\ny = Add(o, b)": (
        "layer_norm", True, True,
    ),
    "q = Mul(x, x)\nv = ReduceMean<axes=[-1]>(q)\nw = Add(v, eps)\ns = Sqrt(w)\nu = Div(x, s)\ny = Mul(u, g)": (
        "rms_norm", True, False,
    ),
}  # fmt: skip


def imported(body: str, constants: dict[str, object] | None = None, opset: int = 0) -> FrontGraph:
    opset = opset or (20 if "= Gelu" in body else 16)
    chosen = {
        k: v
        for k, v in (NUMBERS | (constants or {})).items()
        if k in body.replace("(", " ").replace(")", " ").replace(",", " ").split()
    }
    made = model(body, constants=chosen, opset=opset)
    front = front_graph(load_model(made))
    x = reals({"x": (3, 8)})
    np.testing.assert_allclose(front.evaluate(x)["y"], ort_answers(made, x)["y"], rtol=2e-5, atol=2e-5)
    return front


@pytest.mark.parametrize("body", FUNCTIONS)
def test_functions(body: str) -> None:
    (node,) = imported(body).nodes
    assert " ".join([node.op, *node.attrs.values()]) == FUNCTIONS[body]


@pytest.mark.parametrize("body", NORMS)
def test_norms(body: str) -> None:
    op, weight, bias = NORMS[body]
    numbers = np.random.default_rng(3).normal(size=(2, 8)).astype(F)
    front = imported(body, {"g": numbers[0], "b": numbers[1]})
    (node,) = front.nodes
    assert node.op == op
    assert node.attrs == {"eps": float(F(1e-5))}
    params = [front.params[i] for i in node.ins[1:]]
    assert len(params) == weight + bias
    assert all(np.array_equal(p, n) for p, n in zip(params, numbers, strict=False))


def test_a_norm_over_another_axis_is_turned() -> None:
    body = (
        "m = ReduceMean<axes=[1]>(x)\nz = Sub(x, m)\nq = Mul(z, z)\nv = ReduceMean<axes=[1]>(q)\nw = Add(v, eps)\n"
        "s = Sqrt(w)\nu = Div(z, s)\nk = Mul(u, g)\ny = Add(k, b)"
    )
    front = imported(body, {"g": (1, 3, 1), "b": (3, 1)})
    assert [n.op for n in front.nodes] == ["transpose", "layer_norm", "transpose"]


@pytest.mark.parametrize("maximum", ["", "m = ReduceMax<axes=[-1]>(x)\n"])
@pytest.mark.parametrize("log", [False, True])
def test_softmax(maximum: str, log: bool) -> None:
    body = f"{maximum}{'d = Sub(x, m)' if maximum else 'd = Identity(x)'}\ne = Exp(d)\ns = ReduceSum(e, last)\n"
    body += "p = Div(e, s)\ny = Log(p)" if log else "y = Div(e, s)"
    (node,) = imported(body).nodes
    assert node.op == ("log_softmax" if log else "softmax")
    assert node.ins == ("x",)


@pytest.mark.parametrize(
    "body",
    ["h = Mul(x, half)\nt = Tanh(h)\ny = Mul(x, t)", "y = HardSigmoid(x)", "y = Clip(x, minus, six)", "y = Erf(x)",
     "s = Mul(x, three)\nt = Sigmoid(s)\ny = Mul(x, t)\n"],
)  # fmt: skip
def test_what_only_looks_like_a_function_is_not_taken_for_it(body: str) -> None:
    try:
        front = imported(body)
    except Unsupported as e:
        assert "is none of relu" in str(e)  # noqa: PT017
    else:
        assert "gelu" not in [n.op for n in front.nodes]
        assert "silu" not in [n.op for n in front.nodes]


def test_a_formula_whose_inside_is_read_elsewhere_stays_apart() -> None:
    body = "s = Sigmoid(x)\nt = Mul(x, s)\ny = Add(t, s)"
    assert [n.op for n in imported(body).nodes] == ["sigmoid", "mul", "add"]


@pytest.mark.parametrize("way", ["equal", "one_hot"])
def test_one_hot_products_are_embeddings(way: str) -> None:
    body = "u = Unsqueeze(x, last)\nq = Equal(u, n)\nh = Cast<to=1>(q)\n"
    constants: dict[str, object] = {
        "last": np.array([-1]),
        "n": np.arange(6, dtype=np.int64),
        "w": (6, 4),
        "b": (1, 1, 4),
    }
    if way == "one_hot":
        body = "h = OneHot(x, d, v)\n"
        constants = {"d": np.array(6), "v": np.array([0, 1], F), "w": (6, 4), "b": (1, 1, 4)}
    made = model(f"{body}m = MatMul(h, w)\ny = Add(m, b)", {"x": (5,)}, constants, dtype="int64")
    front = front_graph(load_model(made))
    assert [n.op for n in front.nodes] == ["embedding"]
    x = np.random.default_rng(0).integers(0, 6, (3, 5))
    np.testing.assert_allclose(front.evaluate({"x": x})["y"], ort_answers(made, {"x": x})["y"], rtol=1e-6)


def test_a_bias_behind_movement_is_the_layers_own() -> None:
    body = "v = Conv(x, w)\ns = Squeeze(v, a)\nt = Transpose<perm=[0,2,1]>(s)\ny = Add(t, b)"
    made = model(body, {"x": (4, 1, 9)}, {"w": (5, 4, 1, 3), "a": np.array([2]), "b": (5,)})
    front = front_graph(load_model(made))
    assert [(n.op, n.out) for n in front.nodes] == [("conv2d", "v.biased"), ("reshape", "s.biased"), ("transpose", "y")]
    x = reals({"x": (4, 1, 9)})
    np.testing.assert_allclose(front.evaluate(x)["y"], ort_answers(made, x)["y"], rtol=1e-5, atol=1e-5)


def test_a_sum_that_is_no_bias_stays_a_sum() -> None:
    made = model("v = MatMul(x, w)\ny = Add(v, b)", constants={"w": (8, 5), "b": (3, 1)})
    assert [n.op for n in front_graph(load_model(made)).nodes] == ["linear", "add"]
