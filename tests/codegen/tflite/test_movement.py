"""Operators that move codes, and QUANTIZE between integer types, beside LiteRT's reference kernels and TFLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from codegen.tflite_reader import read_tflite
from hwsim.formats import Codes
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.tflite_ops import Tensor, one_op, run

CONTRACTS = {"litert": "tfl_single", "tflm": "tflm_double"}
SCALE, ZERO = 0.25, -3


@dataclass(frozen=True, kw_only=True)
class Case:
    """One operator on one or more inputs `x0`, `x1`; `numbers` are its constant inputs, `results` its shapes."""

    kind: str
    shapes: Sequence[tuple[int, ...]]
    results: Sequence[tuple[int, ...]]
    numbers: Sequence[Any] = ()
    table: str | None = None
    options: dict[str, Any] | None = None
    first: bool = False  # constants come first
    version: int = 2

    def model(self) -> bytes:
        """The file."""
        xs = [Tensor(name=f"x{i}", shape=s, scale=SCALE, zero=ZERO) for i, s in enumerate(self.shapes)]
        constants = [
            Tensor(name=f"c{i}", codes=n, scale=SCALE, zero=ZERO)
            if isinstance(n, np.ndarray)
            else Tensor(name=f"c{i}", codes=np.array(n, np.int32), dtype="int32")
            for i, n in enumerate(self.numbers)
        ]
        ys = [Tensor(name=f"y{i}", shape=s, scale=SCALE, zero=ZERO) for i, s in enumerate(self.results)]
        ins = [*constants, *xs] if self.first else [*xs, *constants]
        return one_op(self.kind, ins, ys, self.options, options_type=self.table, version=self.version)


def strided(begin: Any, end: Any, steps: Any, result: tuple[int, ...], **masks: int) -> Case:
    """STRIDED_SLICE of (4, 6, 5)."""
    return Case(
        kind="STRIDED_SLICE",
        shapes=[(4, 6, 5)],
        results=[result],
        numbers=[begin, end, steps],
        table="StridedSliceOptions",
        options=masks,
    )


X = (4, 6, 5)
CASES = {
    "reshape": Case(kind="RESHAPE", version=1, shapes=[X], results=[(4, 30)], numbers=[[4, 30]]),
    "squeeze": Case(
        **{"kind": "SQUEEZE", "shapes": [(4, 1, 6, 1)], "results": [(4, 6)], "table": "SqueezeOptions"},
        options={"squeezeDims": [1, 3]},
        version=1,
    ),
    "expand": Case(kind="EXPAND_DIMS", version=1, shapes=[X], results=[(4, 6, 1, 5)], numbers=[[2]]),
    "expand last": Case(kind="EXPAND_DIMS", version=1, shapes=[X], results=[(4, 6, 5, 1)], numbers=[[-1]]),
    "transpose": Case(kind="TRANSPOSE", shapes=[(4, 6, 5, 3)], results=[(4, 3, 6, 5)], numbers=[[0, 3, 1, 2]]),
    "pad": Case(kind="PAD", shapes=[X], results=[(4, 9, 6)], numbers=[[[0, 0], [1, 2], [0, 1]]]),
    "padv2": Case(
        **{"kind": "PADV2", "shapes": [X], "results": [(4, 8, 8)]},
        numbers=[[[0, 0], [2, 0], [3, 0]], np.array([77], np.int8)],
    ),
    "slice": Case(kind="SLICE", shapes=[X], results=[(4, 3, 4)], numbers=[[0, 2, 1], [4, 3, -1]]),
    "strided": strided([0, 1, 0], [4, 6, 5], [1, 2, 3], (4, 3, 2)),
    "masks": strided([1, 3, 0], [2, 4, 3], [1, 1, 1], (4, 3, 3), beginMask=1, endMask=0b011),
    "negative ends": strided([0, -4, -3], [4, -1, -1], [1, 1, 1], (4, 3, 2)),
    "shrink": strided([0, 2, 0], [4, 3, 5], [1, 1, 1], (4, 5), shrinkAxisMask=2),
    "shrink the last": strided([0, 0, -1], [4, 6, 0], [1, 1, 1], (4, 6), shrinkAxisMask=4),
    "split": Case(
        **{"kind": "SPLIT", "shapes": [X], "results": [(4, 2, 5)] * 3, "numbers": [[1]], "table": "SplitOptions"},
        **{"options": {"numSplits": 3}, "first": True},
    ),
    "split_v": Case(
        **{"kind": "SPLIT_V", "shapes": [X], "results": [(4, 6, 1), (4, 6, 4)], "numbers": [[1, 4], [-1]]},
        **{"table": "SplitVOptions", "options": {"numSplits": 2}},
    ),
    "pack": Case(
        **{"kind": "PACK", "shapes": [(4, 6)] * 3, "results": [(4, 3, 6)], "table": "PackOptions"},
        options={"valuesCount": 3, "axis": 1},
    ),
    "pack last": Case(
        **{"kind": "PACK", "shapes": [(4, 6)] * 2, "results": [(4, 6, 2)], "table": "PackOptions"},
        options={"valuesCount": 2, "axis": -1},
    ),
    "unpack": Case(
        **{"kind": "UNPACK", "shapes": [(4, 3, 5)], "results": [(4, 5)] * 3, "table": "UnpackOptions"},
        options={"num": 3, "axis": 1},
    ),
    "concat": Case(
        **{"kind": "CONCATENATION", "shapes": [(4, 6, 2), (4, 6, 3)], "results": [X], "table": "ConcatenationOptions"},
        options={"axis": -1},
    ),
}


def codes(shape: tuple[int, ...], dtype: str = "int8") -> Codes:
    """Seeded codes of the whole type."""
    limits = np.iinfo(dtype)
    return np.random.default_rng(len(shape)).integers(limits.min, limits.max + 1, shape).astype(dtype)


@pytest.mark.parametrize("name", CASES)
def test_moved(name: str) -> None:
    """Both engines and all of ours."""
    case = CASES[name]
    model, xs = case.model(), [codes(s) for s in case.shapes]
    for engine, contract in CONTRACTS.items():
        g = read_tflite(model, contract)
        feeds = {f"x{i}": x for i, x in enumerate(xs)}
        got = simulate(g, feeds)
        for i, want in enumerate(run(model, xs, engine)):
            assert_same(want, got[f"y{i}"], what=f"{name} {engine} result {i}")
    check_engines(g, feeds, against=("c", "ort"))


KINDS = {"int8": (0.1, 5), "uint8": (0.13, 131), "int16": (0.0007, 0)}
NO_KERNEL = {
    ("uint8", "uint8", "tflm"),
    ("uint8", "int16", "tflm"),
    ("int16", "uint8", "tflm"),
    ("int16", "uint8", "litert"),
}
PAIRS = [(a, b) for a in KINDS for b in KINDS]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_quantize_between_integers(source: str, target: str) -> None:
    """All codes, other and equal scales."""
    x = np.arange(np.iinfo(source).min, np.iinfo(source).max + 1).astype(source).reshape(-1, 16)
    for factor in (1.0, 0.37, 2.0):
        (xs, xz), (ys, yz) = KINDS[source], KINDS[target]
        ins = [Tensor(name="x", shape=x.shape, dtype=source, scale=xs, zero=xz)]
        outs = [Tensor(name="y", shape=x.shape, dtype=target, scale=ys * factor, zero=yz)]
        model = one_op("QUANTIZE", ins, outs, {}, options_type="QuantizeOptions", version=2)
        for engine, contract in CONTRACTS.items():
            if (source, target, engine) in NO_KERNEL:
                with pytest.raises(ValueError, match=f"has no QUANTIZE from {source} to {target}"):
                    read_tflite(model, contract)
                continue
            got = simulate(read_tflite(model, contract), {"x": x})["y"]
            assert_same(run(model, [x], engine)[0], got, what=f"{source} {target} {factor} {engine}")


def test_steps_backwards_and_cuts_of_the_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="steps >= 1"):
        read_tflite(strided([0, 5, 0], [4, 0, 5], [1, -1, 1], (4, 5, 5)).model())
    with pytest.raises(ValueError, match=r"cut \(1, 4, 1\) of the batch"):
        read_tflite(strided([1, 0, 0], [4, 6, 5], [1, 1, 1], (3, 6, 5)).model())
