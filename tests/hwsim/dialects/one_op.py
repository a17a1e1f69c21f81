"""One dialect function beside the same operator in the engines that own its bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from hwsim.simulation import simulate
from tests.compare import assert_same
from tests.oracles.tflite_ops import Codes, Tensor, one_op, run

CONTRACTS = {"litert": "tfl_single", "tflm": "tflm_double"}
FORMATS = {"int8": INT8, "int16": INT16}
ENDS = {"int8": (-128, 127), "int16": (-32768, 32767)}
Kind = tuple[float, int]  # scale and zero point
Build = Callable[[Graph, list[Value], QType, str], Value]


def scale(rng: np.random.Generator) -> float:
    """A float32: a power of two, one of a few that are near each other, or anything of 0.001..1."""
    kinds = (2.0 ** -rng.integers(1, 9), 10 ** rng.uniform(-3, 0), 0.05 * (1 + rng.integers(-3, 4) * 2.0**-20))
    return float(np.float32(rng.choice(kinds)))


def kind(rng: np.random.Generator, dtype: str = "int8") -> Kind:
    """A type: INT16 has zero point 0, INT8 often an extreme one."""
    zero = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
    return scale(rng), zero if dtype == "int8" else 0


def graph_of(build: Build, inputs: Mapping[str, tuple[Codes, Kind]], out: Kind, contract: str) -> Graph:
    """The dialect's graph; the batch is the first axis."""
    g = Graph()
    given = [g.input(name, QType((BATCH, *x.shape[1:]), FORMATS[x.dtype.name], *t)) for name, (x, t) in inputs.items()]
    fmt = FORMATS[next(iter(inputs.values()))[0].dtype.name]
    g.output(build(g, given, QType((1,), fmt, *out), contract))
    return g


def compare(
    op: tuple[str, str | None, Mapping[str, Any]],
    build: Build,
    inputs: Mapping[str, tuple[Codes, Kind]],
    out: Kind,
    shape: tuple[int, ...],
    *,
    constants: Sequence[Tensor] = (),
    engines: Sequence[str] = ("litert", "tflm"),
    version: int = 2,
) -> int:
    """Outputs compared; `op` is (name, options table, options), `shape` that of the result."""
    tensors = [Tensor(name=n, shape=x.shape, dtype=x.dtype.name, scale=t[0], zero=t[1]) for n, (x, t) in inputs.items()]
    result = Tensor(name="y", shape=shape, dtype=tensors[0].dtype, scale=out[0], zero=out[1])
    model = one_op(op[0], [*tensors, *constants], [result], op[2], options_type=op[1], version=version)
    count = 0
    for engine in engines:
        g = graph_of(build, inputs, out, CONTRACTS[engine])
        codes = {n: x for n, (x, _) in inputs.items()}
        got = simulate(g, codes)["y"]
        want = run(model, list(codes.values()), engine)[0]
        assert_same(want, got, what=f"{op[0]} {engine} {[t for _, t in inputs.values()]} -> {out}")
        count += got.size
    return count
