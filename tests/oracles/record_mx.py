"""Record what torchao makes of seeded blocks: `mx_vectors.npz` beside this file.

    pip install --target DIR --no-deps torchao==0.18.0;  PYTHONPATH=DIR:. python tests/oracles/record_mx.py

Why recorded: torchao is large, prototype code, and needed for these codes alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VECTORS = Path(__file__).parent / "mx_vectors.npz"
RULES = ("floor", "rceil", "ceil", "even")
TOPS = {"fp4_e2m1": 6.0, "fp6_e2m3": 7.5, "fp6_e3m2": 28.0, "fp8_e4m3": 448.0, "fp8_e5m2": 57344.0}


def blocks() -> NDArray[np.float32]:
    """Blocks of 32: random at many magnitudes, amax next to powers of two and to every largest element, ties, ends."""
    rng, rows = np.random.default_rng(2024), []
    rows += [rng.normal(size=32) * 2.0**e for e in range(-120, 121, 8)]
    rows += [rng.normal(size=32) * np.exp(rng.normal(size=32) * 3) for _ in range(16)]
    for amax in (1.0, 1.75, 1.9375, 1.96875, 1.875, *TOPS.values()):
        for neighbour in (np.nextafter(np.float32(amax), np.float32(0)), amax, np.nextafter(np.float32(amax), np.inf)):
            rows.append(np.append(rng.uniform(-0.99, 0.99, 31) * amax, neighbour))
    rows += [np.arange(32) * 0.25 * 2.0**e for e in (-3, 0, 9)]  # ties of E2M1
    rows += [(np.arange(32) - 16) / 64.0, np.arange(32) / 16 + 1 / 32, -np.arange(32) / 8 - 1 / 16]
    rows += [np.zeros(32), np.full(32, -0.0), np.eye(32)[3], -np.eye(32)[31] * 2.0**-126]
    rows += [rng.normal(size=32) * 2.0**e for e in (-149, -140, -130, -126, 124)]
    rows += [np.append(rng.normal(size=31), np.finfo(np.float32).max)]
    return np.array(rows).astype(np.float32)


def nvfp4_rows() -> NDArray[np.float32]:
    """Rows of 128 for NVFP4: blocks of 16 at different magnitudes, an all-zero block in each row."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(24, 8, 16)) * np.exp(rng.normal(size=(24, 8, 1)) * 2)
    x[:, 3] = 0
    return x.reshape(24, 128).astype(np.float32)


def record() -> dict[str, NDArray[np.generic]]:
    """Codes and scale codes of torchao for every element format and rule, and NVFP4 with and without tensor scale."""
    import torch
    from torchao.prototype.mx_formats.mx_tensor import ScaleCalculationMode, to_mx
    from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale

    kinds = {"fp4_e2m1": torch.float4_e2m1fn_x2, "fp6_e2m3": "fp6_e2m3", "fp6_e3m2": "fp6_e3m2"}
    kinds |= {"fp8_e4m3": torch.float8_e4m3fn, "fp8_e5m2": torch.float8_e5m2}
    x, found = torch.from_numpy(blocks()), {"x": blocks(), "nv": nvfp4_rows()}
    for name, kind in kinds.items():
        for rule in RULES:
            scales, codes = to_mx(x, kind, 32, ScaleCalculationMode[rule.upper()])
            raw = codes.view(torch.uint8).numpy()
            found[f"{name}.{rule}.codes"] = halves(raw) if name == "fp4_e2m1" else raw
            found[f"{name}.{rule}.scales"] = scales.view(torch.uint8).numpy()
    nv = torch.from_numpy(nvfp4_rows())
    for how, scale in (("one", None), ("tensor", per_tensor_amax_to_scale(nv.abs().max()))):
        scales, codes = nvfp4_quantize(nv, 16, scale)
        found[f"nvfp4.{how}.codes"] = halves(codes.view(torch.uint8).numpy())
        found[f"nvfp4.{how}.scales"] = scales.view(torch.uint8).numpy()
        found[f"nvfp4.{how}.base"] = np.float32(1.0 if scale is None else float(scale))
    return found


def halves(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two codes a byte, the first in the low nibble."""
    return np.stack([raw & 15, raw >> 4], -1).reshape(raw.shape[0], -1)


if __name__ == "__main__":
    np.savez_compressed(VECTORS, **record())
