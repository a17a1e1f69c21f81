"""Operations of transformers against formulas in Python's own floats, row by row."""

import math

import numpy as np
import pytest

from hwsim.front import FrontGraph, FrontNode
from hwsim.front_ops import FRONT_OPS, evaluate_op
from tests.compare import assert_refused
from tests.oracles.nets import encoder_net, samples


def numbers(*shape, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(0.3, scale, shape).astype(np.float32)


def rows(fn, x):
    """`fn` of each row, a list of floats."""
    return np.array([fn([float(v) for v in row]) for row in x.reshape(-1, x.shape[-1])]).reshape(x.shape)


def softmax(row, keep):
    top = max(v for v, k in zip(row, keep, strict=True) if k)
    e = [math.exp(v - top) if k else 0.0 for v, k in zip(row, keep, strict=True)]
    return [v / math.fsum(e) for v in e]


@pytest.mark.parametrize("shape", [(3, 7), (2, 3, 5), (2, 2, 4, 4)])
def test_softmax(shape):
    x = numbers(*shape, scale=30)
    got = evaluate_op("softmax", {}, x)
    np.testing.assert_allclose(got, rows(lambda r: softmax(r, [1] * len(r)), x), rtol=1e-6, atol=1e-30)
    np.testing.assert_array_equal(evaluate_op("softmax", {}, x + np.float32(2.0)), evaluate_op("softmax", {}, x + 2))
    assert np.isfinite(evaluate_op("softmax", {}, 1e30 * x)).all()


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4), (1, 4, 4), (2, 1, 4), (4,)])
def test_softmax_leaves_out_what_the_mask_says(shape):
    x = numbers(3, 2, 4, 4, scale=5)
    mask = (np.random.default_rng(1).random(shape) < 0.5).astype(np.float32)
    mask[..., 0] = 1
    full = np.broadcast_to(mask, x.shape)
    x[full == 0] += 1e30  # however large
    got = evaluate_op("softmax", {}, x, mask)
    assert (got[full == 0] == 0).all()
    want = [softmax(list(map(float, r)), k) for r, k in zip(x.reshape(-1, 4), full.reshape(-1, 4), strict=True)]
    np.testing.assert_allclose(got.reshape(-1, 4), want, rtol=1e-6)
    low = evaluate_op("softmax", {}, np.full((1, 4), -1e6, np.float32), np.array([1, 0, 0, 1], np.float32))
    np.testing.assert_array_equal(low, [[0.5, 0, 0, 0.5]])


@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_norms(eps):
    x, w, b = numbers(2, 3, 6, scale=4), numbers(6, seed=1), numbers(6, seed=2)

    def rms(row):
        return [v / math.sqrt(math.fsum(u * u for u in row) / len(row) + eps) for v in row]

    def layer(row):
        mean = math.fsum(row) / len(row)
        return rms([v - mean for v in row])

    plain, square = rows(layer, x), rows(rms, x)
    for ins, want in (((), plain), ((w,), plain * w), ((w, b), plain * w + b)):
        np.testing.assert_allclose(evaluate_op("layer_norm", {"eps": eps}, x, *ins), want, rtol=1e-5, atol=1e-6)
    for ins, want in (((), square), ((w,), square * w)):
        np.testing.assert_allclose(evaluate_op("rms_norm", {"eps": eps}, x, *ins), want, rtol=1e-5, atol=1e-6)
    assert (evaluate_op("layer_norm", {"eps": eps}, np.full((1, 4), 7, np.float32)) == 0).all()


def test_matmul():
    a, b = numbers(2, 3, 4, 5), numbers(2, 3, 5, 6, seed=1)
    want = np.einsum("nhij,nhjk->nhik", a.astype(float), b.astype(float))
    np.testing.assert_allclose(evaluate_op("matmul", {"gain": 0.125}, a, b), want / 8, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(evaluate_op("matmul", {}, a, b), evaluate_op("matmul", {"gain": 1.0}, a, b))


def test_concat_repeats_parameters_for_every_sample():
    x, token, end = numbers(3, 4, 2), numbers(1, 2, seed=1), numbers(2, 2, seed=2)
    got = evaluate_op("concat", {"axis": 1}, token, x, end)
    assert got.shape == (3, 7, 2)
    for sample, y in zip(x, got, strict=True):
        np.testing.assert_array_equal(y, np.concatenate([token, sample, end]))
    np.testing.assert_array_equal(evaluate_op("concat", {"axis": 2}, x, x), np.concatenate([x, x], 2))


def test_identity():
    x = numbers(3, 4)
    np.testing.assert_array_equal(evaluate_op("identity", {}, x), x)


def test_masks_that_are_values():
    x, rng = numbers(3, 2, 4, 4, scale=5), np.random.default_rng(2)
    keep, fixed = (rng.random((3, 1, 1, 4)) < 0.6).astype(np.float32), np.tril(np.ones((4, 4), np.float32))
    keep[:2, ..., 0], keep[2] = 1, 0
    got = evaluate_op("softmax", {}, x, fixed, keep)
    full = np.broadcast_to(keep * fixed, x.shape).reshape(-1, 4)
    rows_of = zip(x.reshape(-1, 4), full, strict=True)
    want = [softmax(list(map(float, r)), k) if k.any() else [0.0] * 4 for r, k in rows_of]  # an empty row is all 0
    np.testing.assert_allclose(got.reshape(-1, 4), want, rtol=1e-6)
    np.testing.assert_array_equal(evaluate_op("masked", {}, x, keep), np.where(keep == 1, x, 0))
    np.testing.assert_array_equal(evaluate_op("not", {}, keep) + keep, np.ones_like(keep))


def test_sums_and_quotients():
    x, count = numbers(3, 4, 5), np.array([2.0, 0.0, 4.0], np.float32).reshape(3, 1, 1)
    total = evaluate_op("sum", {"axes": [1]}, x)
    np.testing.assert_allclose(total, [[[math.fsum(map(float, c)) for c in s.T]] for s in x], rtol=1e-6)
    got = evaluate_op("div", {"least": 1.0}, total, count)
    np.testing.assert_allclose(got, total / np.array([2.0, 1.0, 4.0]).reshape(3, 1, 1), rtol=1e-6)
    assert not np.isfinite(evaluate_op("div", {"least": 0.0}, total, count)[1]).any()  # calibration refuses it


ONES = np.ones((4, 4), np.float32)
BAD = {
    "nothing left": ("softmax", {}, {"m": np.tril(ONES, -1)}, "keeps something in every row"),
    "half a mask": ("softmax", {}, {"m": ONES / 2}, "0 and 1"),
    "a mask with a batch": ("softmax", {}, {"m": np.ones((2, 4, 4), np.float32)}, "widens scores"),
    "a mask of another shape": ("softmax", {}, {"m": np.ones((3, 4), np.float32)}, "(3, 4)"),
    "a product with a parameter": ("matmul", {"gain": 1.0}, {"w": ONES}, "leading sizes"),
    "inner sizes": ("matmul", {"gain": 1.0}, {"w": np.ones((1, 3, 4), np.float32)}, "(1, 3, 4)"),
    "a token of another width": ("concat", {"axis": 1}, {"t": np.ones((1, 3), np.float32)}, "(1, 3)"),
}


@pytest.mark.parametrize("name", BAD)
def test_shapes_and_masks_that_do_not_fit_are_refused_with_their_place(name):
    op, attrs, params, told = BAD[name]
    front = FrontGraph("bad", {"x": (4, 4)}, params, [FrontNode(op, ("x", *params), "y", attrs, "net.py:4")], ["y"])
    assert_refused(front.shapes, f"{op} 'y' at net.py:4", told)


@pytest.mark.parametrize("causal", [False, True])
def test_an_encoder_by_hand(causal):
    front = encoder_net(3, causal=causal)
    front.check()
    assert {"matmul", "softmax", "layer_norm", "rms_norm", "concat"} <= {n.op for n in front.nodes} <= set(FRONT_OPS)
    values, p = front.evaluate(samples(front, count=4)), front.params
    np.testing.assert_allclose(values["p"].sum(-1), 1, rtol=1e-6)
    assert (np.triu(values["p"], 1).any() == 0) == causal
    np.testing.assert_array_equal(values["joined"][:, 0], np.repeat(p["token"], 4, 0))
    head = 1  # one head of one sample, by loops
    q, k, v = (values[f"{n}"][2].reshape(6, 2, 4)[:, head].astype(float) for n in "qkv")
    keep = np.tril(np.ones((6, 6))) if causal else np.ones((6, 6))
    want = [softmax([float(q[i] @ k[j]) / 2 for j in range(6)], keep[i]) @ v for i in range(6)]
    np.testing.assert_allclose(values["context"][2, head], want, rtol=1e-5, atol=1e-6)
