"""RMS norm in integers: equal to Python's integers, near float64."""

import numpy as np
import pytest

from hwsim import CONTRACTS, INT8, INT16, INT32, UINT8, Graph, QType, simulate
from hwsim.blocks import RMSNorm
from hwsim.rounding import ROUNDINGS
from tests.compare import assert_refused, assert_same
from tests.hwsim.blocks.norms import OUT, check, graph, rows

WORD = QType((), INT16, 2.0**-11)
WEIGHT = np.random.default_rng(9).normal(0.4, 1, 16)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
@pytest.mark.parametrize(
    ("fmt", "zero"), [(INT8, 5), (INT8, -128), (UINT8, 200), (INT16, 0), (INT16, -77), (INT32, 0)], ids=str
)
def test_codes_are_pythons(contract, fmt, zero):
    scale = 2.0**-8 if contract.name == "pow2" else 0.00713
    x = rows(fmt, 16, zero)
    check(RMSNorm(), x, "c", mean=False, fmt=fmt, zero=zero, scale=scale, contract=contract, weight=WEIGHT, eps=1e-6)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_roundings(rounding):
    check(RMSNorm(), rows(INT16, 16), mean=False, out=WORD, rounding=rounding)


@pytest.mark.parametrize("n", [1, 3, 64, 768, 4096])
def test_lengths(n):
    check(RMSNorm(), rows(INT16, n, count=12 if n < 4096 else 7), "c", mean=False, scale=0.001, out=WORD)


@pytest.mark.parametrize("block", [RMSNorm(width=8, mantissa=5), RMSNorm(width=16, mantissa=13)], ids=str)
def test_other_widths(block):
    check(block, rows(INT16, 16), mean=False, out=WORD, weight=-WEIGHT)


def test_on_every_engine():
    check(RMSNorm(), rows(INT16, 6), "c", "ort", "onnx_reference", mean=False, scale=0.013, zero=3)


@pytest.mark.parametrize("eps", [1e-12, 1e-2, 1.0, 1e4])
def test_eps(eps):
    check(RMSNorm(), rows(INT16, 16), mean=False, eps=eps, weight=WEIGHT)


def test_nothing_stays_nothing():
    x = rows(INT16, 16, 9)
    y = simulate(graph(RMSNorm(), zero=9), {"x": x})["y"]
    assert_same(np.full(16, OUT.zero_point), y[0])
    assert (y[1] > 3 + 31).all()  # a constant row has no variance but a size


def test_near_float64():
    rng = np.random.default_rng(0)
    x = np.rint(rng.normal(500, 3000, (200, 128))).astype(np.int16)
    real = x * 2.0**-8
    want = real / np.sqrt(np.square(real).mean(-1, keepdims=True) + 1e-6)
    got = simulate(graph(RMSNorm(), n=128, out=QType((), INT16, 2.0**-12)), {"x": x})["y"] * 2.0**-12
    assert (np.abs(got - want) < np.abs(want) * 1.1 * 2.0**-10 + np.sqrt(128) * 2.0**-15 + 2.0**-12).all()


def test_refusals():
    assert_refused(lambda: graph(RMSNorm(), eps=0), "rmsnorm", "eps 0")
    assert_refused(lambda: RMSNorm(width=2), "width 2")
    assert_refused(lambda: RMSNorm(mantissa=20), "mantissa 20")
    g = Graph("channels")
    assert_refused(lambda: RMSNorm()(g, g.input("x", QType(("N", 2), INT8, (0.1, 0.2), axis=1)), OUT), "per-channel")
