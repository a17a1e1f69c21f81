"""gelu and silu: every INT8 code against math.erf, tanh and exp, rounded by Python."""

import math

import numpy as np
import pytest

from hwsim import INT8, INT16, UINT8, Graph, QType
from hwsim.blocks import gelu, pointwise, silu
from tests.backends import check_engines
from tests.compare import all_codes, assert_refused

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


def test_refusals():
    g = Graph("no")
    x = g.input("x", QType(("N", 1), INT8))
    assert_refused(
        lambda: pointwise(g, x, lambda v: np.where(v == 3, np.nan, v), QType((), INT8), name="y"), "nan", "3"
    )
