"""Equations 7 to 9 and 14, 15 of the paper, and that the grid is hwsim's."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: LLM-FP4 (pip install 'hwsim[algos]')")

from algos.llm_fp4 import formats  # noqa: E402
from algos.llm_fp4.floats import bias_of, preshifted, quantized, scale_of  # noqa: E402
from hwsim import FORMATS, QTensor, QType  # noqa: E402
from hwsim.formats import FP4_E1M2, FP4_E2M1, FP4_E3M0, FloatFormat  # noqa: E402

FREE = [f for f in FORMATS.values() if isinstance(f, FloatFormat) and not f.reserved]


def published(x, e, m, b):
    """Equations 8 and 9 as they stand, float64."""
    most = 2.0**-b * (2 - 2.0**-m) * 2.0 ** (2**e - 1)
    clipped = np.clip(x, -most, most)
    with np.errstate(divide="ignore"):
        p = np.floor(np.log2(np.abs(clipped)) + b)
    v = np.where(p >= 1, 2.0 ** (np.maximum(p, 1) - m), 2.0 ** (1 - m))
    return 2.0**-b * v * np.round(clipped / (2.0**-b * v))


@pytest.mark.parametrize("fmt", FREE, ids=lambda f: f.name)
def test_the_grid_is_the_papers_and_hwsims(fmt):
    x = np.random.default_rng(0).normal(0, 3, 4000)
    for b in (0.0, -1.37, 2.6):
        scale = scale_of(fmt, torch.tensor(b, dtype=torch.float64))
        got = quantized(torch.from_numpy(x), fmt, scale).numpy()
        np.testing.assert_allclose(got, published(x, fmt.exp_bits, fmt.man_bits, b), rtol=1e-12)
        t = QType(x.shape, fmt, float(scale))
        ours = QTensor(t, fmt.encode(x / t.scale)).dequantize()
        np.testing.assert_allclose(got, ours, rtol=1e-12)


@pytest.mark.parametrize("fmt", FREE, ids=lambda f: f.name)
def test_the_bias_of_the_largest_number(fmt):
    for most in (0.3, 1.0, 77.0):
        b = float(bias_of(fmt, torch.tensor(most)))
        e, m = fmt.exp_bits, fmt.man_bits
        assert b == pytest.approx(2**e - np.log2(most) + np.log2(2 - 2.0**-m) - 1, abs=1e-6)
        assert float(quantized(torch.tensor(most), fmt, scale_of(fmt, torch.tensor(b)))) == pytest.approx(most)
    assert float(bias_of(fmt, torch.tensor(0.0))) == float(bias_of(fmt, torch.tensor(1.0)))


def test_code_points_of_the_paper():
    """At b = 0: E1M2 is uniform, E2M1 OCP's doubled, E3M0 powers of two."""
    wanted = {FP4_E1M2: [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5], FP4_E2M1: [0, 1, 2, 3, 4, 6, 8, 12],
              FP4_E3M0: [0, 2, 4, 8, 16, 32, 64, 128]}  # fmt: skip
    for fmt, points in wanted.items():
        t = QType((8,), fmt, float(scale_of(fmt, torch.tensor(0.0))))
        assert QTensor(t, np.arange(8, dtype=np.uint8)).dequantize().tolist() == points


@pytest.mark.parametrize("fmt", [FP4_E2M1, FP4_E1M2, FP4_E3M0], ids=lambda f: f.name)
def test_preshifted_steps_are_powers_of_two_apart_and_near_the_channels_own(fmt):
    most = torch.tensor([100.0, 60.0, 26.0, 3.0, 0.01])
    own = bias_of(fmt, most)
    for rho in (own.min(), own.min() + 0.37, own.min() * 0.9):
        scales = preshifted(fmt, own, rho)
        gains = QType((5,), fmt, tuple(scales.tolist()), axis=0).gains
        shift = [min(max(round(float(b - rho)), 0), 2**fmt.exp_bits - 1) for b in own]
        assert gains.tolist() == [2 ** (max(shift) - s) for s in shift]
        assert float(scales[0]) == pytest.approx(float(scale_of(fmt, rho + shift[0])))


def test_formats_of_as_many_bits_without_reserved_codes():
    assert [f.name for f in formats("fp4_e2m1")] == ["fp4_e2m1", "fp4_e1m2", "fp4_e3m0"]
    assert {f.name for f in formats("fp6_e3m2")} == {"fp6_e3m2", "fp6_e2m3", "fp6_e1m4", "fp6_e4m1"}
    assert [f.name for f in formats("fp8_e4m3")] == ["fp8_e4m3", "fp8_e3m4", "fp8_e2m5", "fp8_e1m6"]
