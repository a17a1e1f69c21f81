"""The search finds what trying everything finds; which search depends on the unit of the data."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: LLM-FP4 (pip install 'hwsim[algos]')")

from algos.llm_fp4 import LLMFP4, formats  # noqa: E402
from algos.llm_fp4.floats import bias_of, quantized, scale_of  # noqa: E402
from algos.llm_fp4.search import Side, search_linear, search_product  # noqa: E402
from hwsim.formats import FP4_E1M2, FP4_E2M1  # noqa: E402

FP4 = formats("fp4_e2m1")


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def best_by_hand(x, error):
    """(error, format, scale) over all formats and steps of the additive search, one scale for all."""
    tries = []
    for fmt in FP4:
        for d in np.linspace(-0.25, 2.75, 25):
            scale = scale_of(fmt, bias_of(fmt, x.abs().max()) + d)
            tries.append((float(error(quantized(x, fmt, scale))), fmt, scale))
    return min(tries, key=lambda t: t[0])


def test_a_side_takes_the_best_of_everything():
    x, w = normal(64, 8), normal(8, 5, seed=1)
    error = lambda xq: ((xq @ w - x @ w) ** 2).sum()  # noqa: E731
    choice = Side(x, FP4).best(LLMFP4().biases, error)
    least, fmt, scale = best_by_hand(x, error)
    assert choice.fmt == fmt
    assert float(choice.scale) == float(scale)
    assert float(error(quantized(x, *choice))) == least


def test_rows_of_a_weight_choose_for_themselves():
    w = normal(6, 16) * torch.tensor([[1.0], [5], [0.2], [1], [3], [1]])
    x = normal(100, 16, seed=2)
    errors = lambda wq: ((x @ wq.T - x @ w.T) ** 2).sum(0)  # noqa: E731
    choice = Side(w, (FP4_E2M1,), "rows").best(LLMFP4().biases, errors)
    for n, d in itertools.product(range(6), np.linspace(-0.25, 2.75, 25)):
        scale = scale_of(FP4_E2M1, bias_of(FP4_E2M1, w[n].abs().max()) + d)
        other = ((x @ quantized(w[n], FP4_E2M1, scale) - x @ w[n]) ** 2).sum()
        assert float(errors(quantized(w, *choice))[n]) <= float(other) * (1 + 1e-5)


def test_outlier_channels_are_what_preshifts_are_for():
    gain = torch.where(torch.arange(32) % 8 == 0, 8.0, 1.0)
    x, w = normal(256, 32) * gain, normal(16, 32, seed=3) / gain.sqrt()
    err = {}
    for channels in ("none", "columns"):
        weights = [Side(w, FP4, "rows")]
        own, chosen = search_linear(Side(x, FP4, channels), weights, [torch.ones(())], LLMFP4().biases, 2)
        y = quantized(x, *own) @ quantized(w, *chosen[0]).T
        err[channels] = float(((y - x @ w.T) ** 2).mean())
    assert err["columns"] < 0.65 * err["none"]


def test_the_published_search_depends_on_the_unit_and_the_additive_does_not():
    x = normal(2000)
    found = {}
    for search, unit in itertools.product(("additive", "multiplicative"), (1.0, 64.0)):
        knobs = LLMFP4(search=search, steps=100)
        side = Side(x * unit, (FP4_E1M2,))
        choice = side.best(knobs.biases, lambda xq, unit=unit: ((xq / unit - x) ** 2).mean())
        found[search, unit] = float(((side.quantized(choice) / unit - x) ** 2).mean())
    assert found["additive", 1.0] == pytest.approx(found["additive", 64.0], rel=1e-5)
    assert found["multiplicative", 1.0] != pytest.approx(found["multiplicative", 64.0], rel=0.01)
    assert found["additive", 1.0] <= min(found.values()) * 1.01


def test_gamma_runs_as_published():
    first = torch.tensor(2.0)
    got = [float(b) for b in LLMFP4(search="multiplicative", steps=100).biases(first)]
    assert got == pytest.approx([2 * (0.01 + i * 1.19 / 100) for i in range(100)])


def test_products():
    a, b = normal(4, 6, 8), normal(4, 8, 5, seed=1)
    left, right = search_product(Side(a, FP4), Side(b, FP4), LLMFP4().biases, 2)
    first = [Side(x, (FP4_E2M1,)) for x in (a, b)]
    error = lambda p, q: float(((p @ q - a @ b) ** 2).mean())  # noqa: E731
    searched = error(quantized(a, *left), quantized(b, *right))
    assert searched <= error(*(s.quantized(s.largest(FP4_E2M1)) for s in first))
