"""Ternary weights in C: two bits a code, unpacked in registers; the same bits as everywhere.

The matrix kernels multiply by what two shifts make of a code, as any other number; plain loops add and subtract.
"""

import numpy as np
import pytest

from codegen import emit_c
from hwsim import INT8, TERNARY, UINT8, Graph, IntFormat, QType
from hwsim.formats import FP4_E2M1, INT2, INT48, INT64
from hwsim.ops import Conv2d, Datapath, MatMul
from tests.backends import check_engines
from tests.compare import all_codes
from tests.oracles.one_op import tensor


def layer(weights, fmt=TERNARY, source=INT8, op=None, **of_input):
    """One matmul or conv2d of constant weights."""
    g = Graph("ternary")
    x = g.input("x", QType(("N", *of_input.pop("shape")), source, **of_input))
    g.output(g.add(op or MatMul(), x, g.constant("w", tensor(weights, fmt)), name="y"))
    return g


def text(g):
    return emit_c(g)["ternary.c"]


@pytest.mark.parametrize("source", [INT8, UINT8, FP4_E2M1], ids=lambda f: f.name)
def test_every_product(source):
    g = layer(np.array([[-1, 0, 1]]), source=source, shape=(1,))
    x = all_codes(source)[:, None]
    value = source.to_int(x)
    check_engines(g, {"x": x}, {"y": np.hstack([-value, 0 * value, value])})
    assert "hw_signed(" in text(g)


@pytest.mark.parametrize("fmt", [TERNARY, INT2], ids=lambda f: f.name)
def test_rows_of_odd_length(fmt):
    rng = np.random.default_rng(0)
    w, x = rng.integers(-1, 2, (37, 5)), rng.integers(-128, 128, (9, 37)).astype(np.int8)
    g = layer(w, fmt, shape=(37,))
    check_engines(g, {"x": x}, {"y": x.astype(int) @ w})
    assert "hw_signed(" in text(g)


def test_convolutions():
    rng = np.random.default_rng(1)
    w, x = rng.integers(-1, 2, (3, 3, 3, 2)), rng.integers(-128, 128, (2, 5, 4, 2)).astype(np.int8)
    g = layer(w, op=Conv2d(kernel=(3, 3), padding=((1, 1), (1, 1))), shape=(5, 4, 2))
    check_engines(g, {"x": x})
    assert "hw_signed(" in text(g)


def test_steps_of_a_narrow_accumulator():
    rng = np.random.default_rng(2)
    w, x = rng.integers(-1, 2, (30, 4)), rng.integers(-128, 128, (9, 30)).astype(np.int8)
    op = MatMul(acc=IntFormat("int9", 9), datapath=Datapath(overflow="saturate"))
    g = layer(w, op=op, shape=(30,))
    check_engines(g, {"x": x})
    assert "hw_ternary(" in text(g)


def test_what_is_not_ternary_is_multiplied():
    assert "hw_ternary(" not in text(layer(np.array([[-2, 1]]), INT2, shape=(1,)))
    assert "hw_ternary(" not in text(layer(np.array([[-1, 1]]), INT8, shape=(1,)))
    wide = layer(np.array([[-1, 1]]), source=INT48, op=MatMul(acc=INT64), shape=(1,))
    assert "hw_ternary(" not in text(wide)
