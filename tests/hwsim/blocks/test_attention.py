"""Attention in integers: equal to its steps by Python's integers, near float64."""

import numpy as np
import pytest

from hwsim import CONTRACTS, INT8, INT16, UINT1, UINT16, Graph, QTensor, QType, simulate
from hwsim.blocks import Attention, Softmax
from tests.backends import check_engines
from tests.compare import assert_refused
from tests.oracles.blocks import SoftmaxOracle, rescaled

QUERY, KEY, VALUE = QType((), INT8, 2.0**-5), QType((), INT8, 2.0**-5, 4), QType((), INT8, 2.0**-5, -9)
OUT = QType((), INT8, 2.0**-6, 5)
SHAPE = ("N", 2, 5, 8)


def graph(block=None, out=OUT, types=(QUERY, KEY, VALUE), keep=None, **settings):
    g = Graph("attention")
    q, k, v = (g.input(n, t.reshaped(SHAPE)) for n, t in zip("qkv", types, strict=True))
    if keep is not None:
        settings["mask"] = g.constant("keep", QTensor(QType(keep.shape, UINT1), keep.astype(np.uint8)))
    g.output((block or Attention())(g, q, k, v, out, name="y", **settings))
    return g


def inputs(fmt=INT8, samples=4, seed=0):
    rng = np.random.default_rng(seed)
    return {
        n: np.clip(np.rint(rng.normal(0, fmt.max_int / 3, (samples, *SHAPE[1:]))), fmt.min_int, fmt.max_int).astype(
            fmt.dtype
        )
        for n in "qkv"
    }


def real(t, x):
    return t.scale * (x.astype(float) - t.zero_point)


def by_float(data, types=(QUERY, KEY, VALUE), keep=None):
    q, k, v = (real(t, data[n]) for n, t in zip("qkv", types, strict=True))
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    s = s if keep is None else np.where(keep, s, -np.inf)
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ v


def decibels(want, got):
    return 10 * np.log10(np.square(want).sum() / np.square(want - got).sum())


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
@pytest.mark.parametrize("causal", [False, True])
def test_codes_are_pythons(contract, causal):
    """Dot products, one softmax a row, dot products, one requantization."""
    keep = np.tril(np.ones((5, 5), int)) if causal else np.ones((5, 5), int)
    data, g = inputs(), graph(contract=contract, keep=keep if causal else None)
    q, k, v = (data[n].astype(int) - t.zero_point for n, t in zip("qkv", (QUERY, KEY, VALUE), strict=True))
    scores, lsb = q @ k.swapaxes(-1, -2), 2.0**-10 * 8**-0.5
    ends = [8 * end for end in (-128 * (127 - 4), 128 * 132)]  # what an accumulator of 8 products can reach
    softmax = SoftmaxOracle(lsb=lsb, reach=tuple(ends), contract=contract.name)
    rows = [softmax(row, keep[i % 5].tolist()) for i, row in enumerate(scores.reshape(-1, 5).tolist())]
    p = np.array(rows).reshape(scores.shape)
    acc = p @ v
    ratio = 2.0**-8 * 2.0**-5 / OUT.scale
    flat = [rescaled(a, ratio, contract.name, "half_up") + 5 for a in acc.reshape(-1).tolist()]
    want = np.clip(flat, -128, 127).reshape(acc.shape)
    engines = ("numba", "c", "ort", "onnx_reference") if contract.name == "dyadic16" else ("c",)
    check_engines(g, data, {"y.softmax": p, "y.acc": acc, "y": want}, against=engines)


CASES = {
    "default": (Attention(), (QUERY, KEY, VALUE), INT8, OUT, 25),
    "fine": (
        Attention(softmax=Softmax(z="int16", z_step=2.0**-10, mantissa=12), probabilities=QType((), UINT16, 2.0**-16)),
        tuple(QType((), INT16, 2.0**-13, z) for z in (0, 700, -900)), INT16, QType((), INT16, 2.0**-14), 60,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("causal", [False, True])
def test_near_float64(name, causal):
    block, types, fmt, out, least = CASES[name]
    keep = np.tril(np.ones((5, 5))) if causal else None
    data = inputs(fmt, 50)
    got = simulate(graph(block, out, types, keep), data)["y"]
    want = by_float(data, types, keep)
    top = out.scale * (out.fmt.max_int - abs(out.zero_point))
    db = decibels(np.clip(want, -top, top), real(out, got))
    assert db > least, f"{db:.1f} dB"


def test_gain():
    data = inputs(samples=20)
    q, k, v = (real(t, data[n]) for n, t in zip("qkv", (QUERY, KEY, VALUE), strict=True))
    s = 0.07 * q @ k.swapaxes(-1, -2)
    e = np.exp(s - s.max(-1, keepdims=True))
    want = e / e.sum(-1, keepdims=True) @ v
    got = real(OUT, simulate(graph(gain=0.07), data)["y"])
    assert decibels(np.clip(want, -1.9, 1.9), np.clip(got, -1.9, 1.9)) > 30


def test_refusals():
    assert_refused(lambda: graph(types=(KEY, KEY, VALUE)), "zero_point 4")
    assert_refused(lambda: graph(gain=0.0), "gain 0.0")
    assert_refused(lambda: graph(keep=np.zeros((5, 5))), "keeps no key in row (0,)")
    assert_refused(lambda: graph(Attention(probabilities=QType((), INT8, 2.0**-8))), "int8", "unsigned")
