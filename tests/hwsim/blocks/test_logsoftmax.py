"""log-softmax: equal to Python's integers, near float64, on every engine, with whole and fitted tables."""

import math
from fractions import Fraction

import numpy as np
import pytest

from algos.gqa_lut import tables
from hwsim import INT8, INT16, INT32, Graph, QType, simulate
from hwsim.blocks import LogSoftmax
from tests.backends import check_engines
from tests.compare import assert_refused
from tests.oracles.blocks import SoftmaxOracle, clamp, normalized, rescaled
from tests.oracles.exact import ROUND
from tests.oracles.tables import finest, table_value

from .test_softmax import scores

FITTED = tables(("exp", "log"))


def graph(fmt, n, scale, out, **settings):
    g = Graph("log_softmax")
    g.output(LogSoftmax()(g, g.input("x", QType(("N", n), fmt, scale)), out, name="y", **settings))
    return g


def oracle(row, fmt, scale, out, documents):
    """The docstring's formula, one row."""
    soft = SoftmaxOracle(lsb=scale, reach=(fmt.min_int, fmt.max_int), tables=documents)
    e = soft.exponentials(row, [1] * len(row))
    if document := documents.get("log"):
        n = finest(document)
        m, k = normalized(sum(e), n + 1)
        fraction = ROUND["half_up"](table_value(document, n, m) * 2**16)
    else:
        m, k = normalized(sum(e), 9)
        fraction = round(math.log((2 * m + 1) / 512) * 2**16)
    log = fraction + k * round(math.log(2) * 2**16) + round(math.log(2.0**-15) * 2**16)
    z = [ROUND["half_up"](Fraction(v - max(row), 2**soft.surplus)) for v in row]
    fine = [rescaled(v, scale * 2**soft.surplus * 2**16, "dyadic16", "half_up") for v in z]
    y = [rescaled(clamp(v, -(2**31), 2**31 - 1) - log, 2.0**-16 / out.scale, "dyadic16", "half_up") for v in fine]
    return [clamp(v + out.zero_point, out.fmt.min_int, out.fmt.max_int) for v in y]


@pytest.mark.parametrize("fitted", [False, True], ids=["whole", "fitted"])
@pytest.mark.parametrize(
    ("fmt", "scale", "out"),
    [
        (INT8, 0.1, QType((), INT8, 2.0**-3, 100)),
        (INT16, 0.0011, QType((), INT16, 0.002, 0)),
        (INT32, 2.0**-22, QType((), INT16, 2.0**-9, 0)),
    ],
    ids=str,
)
def test_codes_are_pythons(fmt, scale, out, fitted):
    x, settings = scores(fmt, 9), {"tables": FITTED} if fitted else {}
    documents = {k: t.to_json() for k, t in FITTED.items()} if fitted else {}
    want = [oracle([int(v) for v in row], fmt, scale, out, documents) for row in x]
    check_engines(graph(fmt, 9, scale, out, **settings), {"x": x}, {"y": np.array(want)})


@pytest.mark.parametrize("fitted", [False, True], ids=["whole", "fitted"])
def test_near_float(fitted):
    out, scale, x = QType((), INT16, 2.0**-9), 2.0**-4, scores(INT8, 10, count=500)
    got = simulate(graph(INT8, 10, scale, out, tables=FITTED if fitted else {}), {"x": x})["y"] * out.scale
    z = scale * (x.astype(float) - x.max(-1, keepdims=True))
    exact = z - np.log(np.exp(z).sum(-1, keepdims=True))
    assert np.abs(got - exact).max() < (0.03 if fitted else 0.004)


def test_refusals():
    assert_refused(lambda: graph(INT8, 4, 1e9, QType((), INT8, 1.0)), "ratio")
