"""Linear layers in vectors of sixteen channels (target ``x86``): dot products of four bytes, straight from the image.

The input is copied once into unsigned bytes with its borders in place, so a window is a few runs of consecutive bytes
and no inner loop has a test. What is added to make bytes unsigned is taken off again by what the sums start with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hwsim.formats import INT8, UINT8
from hwsim.ranges import Interval
from hwsim.rounding import Ints

from ..render import macros
from ..tiles import BYTE, panels, starts, word_codes
from .c_view import CView, Scratch
from .dense import sums
from .lanes import LANES, filled, finish

OFFSET = 128  # makes signed bytes unsigned
ROWS = 6  # accumulators that hide the latency of a dot product
QUAD = 7  # what four loads and their shuffles cost, in dot products


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a result sees of an image: `image` is (h, w, c), `out` (oh, ow), the others as in `Conv2d`."""

    image: tuple[int, int, int]
    out: tuple[int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    @property
    def seen(self) -> tuple[int, int]:
        """Rows and columns of the image with its borders, as far as windows reach."""
        spans = zip(self.out, self.stride, self.kernel, self.dilation, strict=True)
        rows, columns = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in spans]
        return rows, columns

    @property
    def padded(self) -> bool:
        """Whether there is a border."""
        return any(map(any, self.padding))

    def runs(self) -> tuple[int, int, tuple[int, int]]:
        """A window as outer x inner runs of consecutive bytes, and the bytes of one."""
        (kh, kw), c = self.kernel, self.image[2]
        if self.dilation[1] > 1 and kw > 1:
            return kh, kw, (kh * kw, c)
        if kw == self.seen[1] and self.dilation[0] == 1:
            return 1, 1, (1, kh * kw * c)
        return kh, 1, (kh, kw * c)


def products(v: CView, weights: Ints, x: Interval, window: Window) -> dict[str, Any] | None:
    """What ``kernels/x86.j2`` needs of a layer whose channels all see the whole window; None where bytes will not do.

    Args:
        v: the node's view, with the fields of `c_sums`.
        weights: integers less the zero point, shape (O, K), K in the order of the window.
        x: what an input can be, the border's zero point included.
        window: where the inputs lie.
    """
    offset = OFFSET if x.lo < 0 else 0
    start = sums(v, weights, x, BYTE, offset)
    if start is None:
        return None
    o, pixels = len(weights), window.out[0] * window.out[1]
    rows = min(ROWS, pixels)
    outer, inner, (runs, length) = window.runs()
    parts = 4 if rows == 1 and length >= 4 * LANES else 1
    words = -(-length // (4 * parts)) * parts
    whole = np.pad(weights.reshape(o, runs, length), ((0, max(0, LANES - o)), (0, 0), (0, 4 * words - length)))
    coded = panels(word_codes(whole.reshape(len(whole), -1), 8), LANES)
    d = _image(v, window, offset, 4 * words - length)
    d |= {"o": o, "rows": rows, "pixels": pixels, "tiles": len(starts(pixels, rows)), "parts": parts, "words": words}
    d |= {"panels": len(starts(max(o, LANES), LANES)), "panel": runs * words * LANES, "outer": outer, "inner": inner}
    d["weights"] = v.table(coded, f"weights {list(weights.shape)}, in panels of {LANES} channels", "uint32_t")
    v.fields["kernels"] = macros("c/kernels/x86_dense.j2")
    return _finished(v, d, start, o)


def by_channel(v: CView, weights: Ints, x: Interval, window: Window) -> dict[str, Any] | None:
    """The same for channels that see only themselves; `weights` is (C, taps)."""
    offset = OFFSET if x.lo < 0 else 0
    start = sums(v, weights, x, BYTE, offset)
    if start is None:
        return None
    c, (kh, kw), stride = len(weights), window.kernel, window.stride[0]
    wide, kept = -(-kw // 4), max(0, kh - stride) if window.dilation[0] == 1 else 0
    rolls = QUAD * wide * (kh - kept + kept / window.out[0]) + kh * wide < (QUAD + 1) * -(-kh * kw // 4)
    groups = [[(i, j) for j in range(4 * g, min(kw, 4 * g + 4))] for i in range(kh) for g in range(wide)]
    if not rolls:
        taps = [(i, j) for i in range(kh) for j in range(kw)]
        groups, kept = [taps[g : g + 4] for g in range(0, kh * kw, 4)], 0
    d = _image(v, window, offset, LANES if c < LANES else 0)
    step = [window.dilation[0] * d["pitch"], window.dilation[1] * d["c"]]
    d["quads"] = [[i * step[0] + j * step[1] for i, j in [*g, *[g[-1]] * (4 - len(g))]] for g in groups]
    d |= {"o": c, "kept": kept * wide, "fresh": len(groups) - kept * wide}
    d |= {"blocks": len(starts(max(c, LANES), LANES)), "panel": len(groups) * LANES}
    d["weights"] = v.table(_quads(weights, groups, kw), f"weights {list(weights.shape)}, in blocks", "uint32_t")
    v.fields["kernels"] = macros("c/kernels/x86_depth.j2")
    return _finished(v, d, start, c)


def _quads(weights: Ints, groups: list[list[tuple[int, int]]], kw: int) -> Ints:
    """[block][group][channel][tap] bytes as words."""
    c = len(weights)
    four = np.zeros((max(c, LANES), len(groups), 4), np.int64)
    for g, taps in enumerate(groups):
        for t, (i, j) in enumerate(taps):
            four[:c, g, t] = weights[:, i * kw + j]
    return np.concatenate([word_codes(four[s : s + LANES].swapaxes(0, 1), 8) for s in starts(len(four), LANES)])


def _image(v: CView, window: Window, offset: int, slack: int) -> dict[str, Any]:
    """The copy of the image, with `slack` bytes behind it that a kernel may read; or none where the input will do."""
    (h, w, c), (rows, columns), (oh, ow) = window.image, window.seen, window.out
    plain = v.type(0).axis is None or bool((v.type(0).gains == 1).all())
    used = min(h, rows - window.padding[0][0]), min(w, columns - window.padding[1][0])
    copy = bool(offset or window.padded or slack) or not plain or v.type(0).fmt not in (INT8, UINT8)
    pitch = (columns if copy else w) * c
    if copy:
        v.scratch.append(Scratch("uint8_t", rows * pitch + slack))
    d: dict[str, Any] = {
        "copied": copy,
        "image": "s0" if copy else "(const uint8_t *)x0",
        "height": rows,
        "pitch": pitch,
        "c": c,
    }
    d |= {"first": window.padding[0][0] * pitch + window.padding[1][0] * c, "used": used[0], "run": used[1] * c}
    d |= {"padded": window.padded, "offset": offset, "border": int(np.max(v.type(0).zero_point)) + offset}
    d |= {"source": w * c, "oh": oh, "ow": ow, "down": window.stride[0] * pitch, "right": window.stride[1] * c}
    d["load"] = v.load(0).at
    d["step"] = (window.dilation[0] * pitch, window.dilation[1] * c)
    d["flat"] = d["down"] == ow * d["right"]  # pixels follow one another
    return d


def _finished(v: CView, d: dict[str, Any], start: Ints, o: int) -> dict[str, Any]:
    """With what sums start with, and what becomes of them."""
    d["start"] = v.table(filled(start), "where sums start", "int32_t") if start.any() else None
    d |= {"lanes": min(o, LANES), "end": finish(v), "shared": macros("c/kernels/shared.j2")}
    d["macros"] = macros("c/kernels/x86.j2")
    return d
