"""One dialect function beside ONNX Runtime, which owns its bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
import pytest

from hwsim.formats import INT8, INT16, UINT8, UINT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate
from tests.compare import assert_same
from tests.oracles.ort_ops import Codes, Kind

FORMATS = {"int8": INT8, "uint8": UINT8, "int16": INT16, "uint16": UINT16}
DTYPES = ("int8", "uint8")
Build = Callable[[Graph, list[Value], QType], Value]
ONNXRUNTIME = onnxruntime.__version__


def scale(rng: np.random.Generator) -> float:
    """A float32: a power of two, a short multiple of one, or anything of 0.001..1."""
    kinds = (2.0 ** -rng.integers(1, 9), rng.integers(1, 64) * 2.0 ** -rng.integers(7, 12), 10 ** rng.uniform(-3, 0))
    return float(np.float32(rng.choice(kinds)))


def kind(rng: np.random.Generator, dtype: str) -> Kind:
    """Any scale, often an extreme zero point."""
    lo, hi = FORMATS[dtype].min_int, FORMATS[dtype].max_int
    return scale(rng), int(rng.choice([lo, hi, (lo + hi + 1) // 2, rng.integers(lo, hi + 1)]))


def codes(dtype: str) -> Codes:
    """All 256."""
    return np.arange(FORMATS[dtype].min_int, FORMATS[dtype].max_int + 1).astype(dtype)


def graph_of(build: Build, parts: Sequence[tuple[Codes, Kind]], out: Kind, constant: Sequence[int] = ()) -> Graph:
    """The dialect's graph on inputs x0, x1 ..; the batch is their first axis. Those in `constant` have none."""
    g = Graph()
    values, fmt = [], FORMATS[parts[0][0].dtype.name]
    for i, (x, t) in enumerate(parts):
        if i in constant:
            values.append(g.constant(f"x{i}", QTensor(QType(x.shape, fmt, *t), x)))
        else:
            values.append(g.input(f"x{i}", QType((BATCH, *x.shape[1:]), fmt, *t)))
    g.output(build(g, values, QType((1,), fmt, *out)))
    return g


def compare(
    want: Codes, build: Build, parts: Sequence[tuple[Codes, Kind]], out: Kind, constant: Sequence[int] = ()
) -> int:
    """How many outputs were the same as ONNX Runtime's `want`."""
    g = graph_of(build, parts, out, constant)
    got = simulate(g, {f"x{i}": x for i, (x, _) in enumerate(parts) if i not in constant})[g.outputs[0].name]
    assert_same(want, got, what=f"{parts[0][0].dtype} {[t for _, t in parts]} -> {out}")
    return got.size


def refuses(match: str, call: Callable[[], object]) -> None:
    """One line that says what is wrong."""
    with pytest.raises(ValueError, match=match) as e:
        call()
    assert "\n" not in str(e.value)
