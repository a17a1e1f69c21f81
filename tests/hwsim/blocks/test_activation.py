"""Functions of one value: every INT8 code against math.erf, tanh and exp, rounded by Python; gates."""

import math

import numpy as np
import pytest

from hwsim import INT8, INT16, UINT8, Graph, QType
from hwsim.blocks import ACTIVATIONS, activation, gated, gelu, pointwise, silu
from tests.backends import check_engines
from tests.compare import all_codes, assert_refused
from tests.oracles.blocks import rescaled

ROOT = math.sqrt(2 / math.pi)
FUNCTIONS = {
    "gelu": (gelu, {}, lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2),
    "tanh": (gelu, {"approximate": "tanh"}, lambda v: v * (1 + math.tanh(ROOT * (v + 0.044715 * v**3))) / 2),
    "silu": (silu, {}, lambda v: v / (1 + math.exp(-v))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("source", "out"), [((INT8, 0.05, 9), (INT8, 0.04, -20)), ((UINT8, 0.03, 128), (INT16, 2.0**-12, 0))]
)
def test_every_code(name, source, out):
    block, settings, fn = FUNCTIONS[name]
    g = Graph(name)
    x = g.input("x", QType(("N", 1), *source))
    t = QType((), *out)
    g.output(block(g, x, t, name="y", **settings))
    codes = all_codes(source[0])
    real = [fn((int(c) - source[2]) * source[1]) / t.scale for c in codes]
    want = [min(max(round(v) + t.zero_point, t.fmt.min_int), t.fmt.max_int) for v in real]
    check_engines(g, {"x": codes[:, None]}, {"y": np.array(want)[:, None]})


def test_any_function_and_16_bits():
    g = Graph("any")
    x = g.input("x", QType(("N", 1), INT16, 2.0**-10))
    g.output(pointwise(g, x, np.abs, QType((), INT16, 2.0**-10), name="y"))
    codes = all_codes(INT16)[:, None]
    want = np.minimum(np.abs(codes.astype(int)), 32767)
    check_engines(g, {"x": codes}, {"y": want}, against=("numba", "c", "ort"))


REALS = {
    "gelu": FUNCTIONS["gelu"][2],
    "gelu_tanh": FUNCTIONS["tanh"][2],
    "silu": FUNCTIONS["silu"][2],
    "sigmoid": lambda v: 1 / (1 + math.exp(-v)),
    "tanh": math.tanh,
    "relu": lambda v: max(v, 0),
    "relu6": lambda v: min(max(v, 0), 6),
    "hswish": lambda v: v * min(max(v + 3, 0), 6) / 6,
    "hsigmoid": lambda v: min(max(v + 3, 0), 6) / 6,
}


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_gates(function):
    """SwiGLU and the like, every code of the gate."""
    g = Graph("gate")
    x, gate = (g.input(name, QType(("N", 1), INT8, *t)) for name, t in (("x", (0.1, 5)), ("gate", (0.125, -3))))
    inner, out = QType((), INT8, 0.04, -7), QType((), INT16, 2.0**-6, 11)
    g.output(gated(g, x, gate, out, function=function, inner=inner, name="y"))
    a, b = (v.ravel() for v in np.meshgrid(np.arange(-128, 128, 5), np.arange(-128, 128)))
    opened = [min(max(round(REALS[function]((int(v) + 3) * 0.125) / 0.04) - 7, -128), 127) for v in b]
    product = [(int(u) - 5) * (v + 7) for u, v in zip(a, opened, strict=True)]
    want = [rescaled(p, 0.1 * 0.04 * 2**6, "dyadic16", "half_up") + 11 for p in product]
    inputs = {name: v[:, None].astype(np.int8) for name, v in (("x", a), ("gate", b))}
    against = ("numba", "c") if function == "silu" else ("numba",)
    check_engines(g, inputs, {"y": np.array(want)[:, None]}, against=against)


def test_refusals():
    g = Graph("no")
    x = g.input("x", QType(("N", 1), INT8))
    assert_refused(
        lambda: pointwise(g, x, lambda v: np.where(v == 3, np.nan, v), QType((), INT8), name="y"), "nan", "3"
    )
    assert_refused(lambda: activation(g, x, "gelo", QType((), INT8), name="y"), "'gelo'", "hswish")
