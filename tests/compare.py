"""Equality of codes, with the count and the first few culprits in the message."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

SHOWN = 5


def assert_same(expected: ArrayLike, got: ArrayLike, *inputs: ArrayLike, what: str = "") -> None:
    """Fail unless both are equal element by element; `inputs` broadcast and are shown beside them."""
    e, g = np.asarray(expected), np.asarray(got)
    assert e.shape == g.shape, f"{what}: shape {g.shape}, expected {e.shape}"
    bad = np.asarray(e != g)
    if bad.any():
        shown = [np.broadcast_to(np.asarray(i), e.shape) for i in inputs]
        rows = [_row(tuple(at), shown, e, g) for at in np.argwhere(bad)[:SHOWN]]
        raise AssertionError(f"{what}: {int(bad.sum())} of {e.size} differ; first (input, expected, got): {rows}")


def assert_one_line(error: BaseException, *culprits: str) -> None:
    """Fail unless the error is one line that names every culprit."""
    text = str(error)
    assert "\n" not in text, f"more than one line: {text!r}"
    missing = [c for c in culprits if c not in text]
    assert not missing, f"{missing} not named in {text!r}"


def assert_refused(call: Callable[[], object], *culprits: str) -> None:
    """Fail unless the call raises a ValueError of one line that names every culprit."""
    try:
        call()
    except ValueError as e:
        assert_one_line(e, *culprits)
    else:
        raise AssertionError(f"not refused; expected a ValueError that names {culprits}")


def all_codes(fmt: Any) -> np.ndarray[Any, Any]:
    """Every code of a format that names a number, in its container."""
    codes = np.arange(fmt.min_code, fmt.max_code + 1)
    if hasattr(fmt, "is_reserved"):
        codes = codes[~fmt.is_reserved(codes)]
    return codes.astype(fmt.dtype)


def all_pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Every pair of elements, as two flat arrays."""
    x, y = np.asarray(a), np.asarray(b)
    return np.repeat(x, y.size), np.tile(y, x.size)


def everything(**choices: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Every combination of the choices, as keyword dictionaries."""
    return [dict(zip(choices, c, strict=True)) for c in product(*choices.values())]


def _row(at: tuple[Any, ...], inputs: list[Any], expected: Any, got: Any) -> tuple[Any, ...]:
    values = [a[at] for a in (*inputs, expected, got)]
    return tuple(v.item() if hasattr(v, "item") else v for v in values)
