"""Accumulators one step at a time, in Python integers: what hardware of that width does. Shares nothing with hwsim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def cut(product: int, drop: int, signs: str) -> int:
    """Low bits off: two's complement goes down, sign-magnitude toward zero."""
    if signs == "magnitude" and product < 0:
        return -(-product // 2**drop)
    return product // 2**drop


def limit(total: int, bits: int, overflow: str, signs: str, signed: bool = True) -> int:
    """One register of `bits` bits."""
    if overflow == "wrap":
        pattern = total & (2**bits - 1)
        return pattern - 2**bits if signed and pattern >= 2 ** (bits - 1) else pattern
    top = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    bottom = 0 if not signed else -top if signs == "magnitude" else -top - 1
    if overflow == "refuse":
        assert bottom <= total <= top
    return bottom if total < bottom else top if total > top else total


def accumulate(
    products: Sequence[int],
    start: int,
    bits: int,
    *,
    overflow: str,
    drop: int,
    tree: int,
    signs: str,
    signed: bool = True,
) -> list[int]:
    """The register after its start and after every step."""
    register, states, pending = start, [start], 0
    for number, product in enumerate(products, 1):
        pending += cut(product, drop, signs)
        if number % tree == 0 or number == len(products):
            register, pending = limit(register + pending, bits, overflow, signs, signed), 0
            states.append(register)
    return states


def matrix(a: np.ndarray, b: np.ndarray, start: Sequence[int], bits: int, **choices: object) -> np.ndarray:
    """Rows of `a` (m, k) with columns of `b` (k, n)."""
    columns = list(zip(b.T.tolist(), start, strict=True))
    return np.array(
        [[accumulate([x * y for x, y in zip(r, c, strict=True)], s, bits, **choices)[-1] for c, s in columns]
         for r in a.tolist()]
    )  # fmt: skip


def windows(op: object, x: np.ndarray, w: np.ndarray, zero: int, start: Sequence[int], bits: int, **choices: object):
    """Convolution of (n, h, w, c) with (o, kh, kw, c / groups): kh, then kw, then channels; outside is `zero`."""
    (n, h, wd, _), (o, kh, kw, inner) = x.shape, w.shape
    (top, bottom), (left, right) = op.padding
    oh = (h + top + bottom - op.dilation[0] * (kh - 1) - 1) // op.stride[0] + 1
    ow = (wd + left + right - op.dilation[1] * (kw - 1) - 1) // op.stride[1] + 1
    y = np.zeros((n, oh, ow, o), np.int64)
    for b, i, j, c in np.ndindex(y.shape):
        products, first = [], c // (o // op.groups) * inner
        for p, q, k in np.ndindex(kh, kw, inner):
            r, s = i * op.stride[0] - top + p * op.dilation[0], j * op.stride[1] - left + q * op.dilation[1]
            pixel = int(x[b, r, s, first + k]) if 0 <= r < h and 0 <= s < wd else zero
            products.append(pixel * int(w[c, p, q, k]))
        y[b, i, j, c] = accumulate(products, int(start[c]), bits, **choices)[-1]
    return y
