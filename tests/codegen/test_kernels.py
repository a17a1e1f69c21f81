"""Kernels of linear layers by target: every shape, contract and extreme gives the simulator's codes.

Layers of one seed share a graph, so that a compiler starts once for many of them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from codegen.runners.c import SANITIZERS, STRICT, compile_and_run, compilers
from hwsim.contracts import CONTRACTS, Contract, TflSingle
from hwsim.formats import INT4, INT8, INT16, INT32, TERNARY, UINT8, Codes, IntFormat
from hwsim.graph import Graph, Value
from hwsim.ops import Conv2d, Lut, MatMul, Requant
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate
from tests.compare import assert_same

HERE = platform.machine() in ("x86_64", "AMD64")
BUILDS = {  # name -> target, flags
    "generic": ("generic", ("-O2",)),
    "registers of eight": ("cortex-m0", ("-O2",)),
    "microcontroller": ("cortex-m3", ("-O1",)),
    "vectors": ("x86-64", ("-O3", "-march=native")),
    "vectors in plain C": ("x86-64", ("-O2",)),
    "vectors, AVX2": ("x86-64", ("-O2", "-mavx2")),
}
SAMPLES = 6


@dataclass
class Layers:
    """A graph that grows by layers, each with an input and an output of its own."""

    seed: int
    graph: Graph = field(default_factory=lambda: Graph("layers"))

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def constant(self, codes: Any, fmt: IntFormat, scale: Any, axis: int | None = None) -> Value:
        """One more constant."""
        t = QType(np.shape(codes), fmt, scale, 0, axis)
        return self.graph.constant(f"c{len(self.graph.constants)}", QTensor(t, np.asarray(codes, fmt.dtype)))

    def input(self, shape: tuple[int, ...], fmt: IntFormat, zero: int) -> Value:
        """One more input."""
        return self.graph.input(f"x{len(self.graph.inputs)}", QType((BATCH, *shape), fmt, 0.5, zero))

    def weights(self, shape: tuple[int, ...], fmt: IntFormat, scale: Any, axis: int | None) -> Value:
        """Random, or at the ends of the format."""
        lo, hi = fmt.min_int, fmt.max_int
        codes = self.rng.integers(lo, hi + 1, shape)
        if self.rng.random() < 0.4:
            codes = np.where(self.rng.random(shape) < 0.9, self.rng.choice((lo, hi)), codes)
        return self.constant(codes, fmt, scale, axis)

    def end(self, sums: Value, contract: type[Contract], out: IntFormat, *, many: bool) -> None:
        """A requantization, often a second or a table behind it, and an output."""
        rng, reach = self.rng, self.graph.reach[sums.name].magnitude
        step = float(np.max(sums.type.lsb)) * max(1.0, reach / 2 ** (out.bits - 1) * float(rng.uniform(0.05, 0.6)))
        if contract.name == "pow2":
            step = float(np.ldexp(np.max(sums.type.lsb), int(rng.integers(0, 12))))
        t = QType(sums.type.shape, out, step, int(rng.integers(-5, 6)) if out.signed else 3)
        lo = t.zero_point if rng.random() < 0.3 else None
        hi = out.max_int - 7 if rng.random() < 0.3 else None
        rounding = str(rng.choice(("half_up", "half_away"))) if contract is TflSingle else "half_up"
        y = self.graph.add(Requant.to(t, sums.type, contract, rounding, lo, hi), sums)
        if rng.random() < 0.3 and out.bits == 8:
            table = rng.integers(-128, 128, 256)
            y = self.graph.add(Lut(table=tuple(table.tolist()), fmt=INT8, scale=0.25), y)
        elif rng.random() < 0.4:
            wide = QType(y.type.shape, INT16 if rng.random() < 0.5 else INT32, step / 8, 0)
            y = self.graph.add(Requant.to(wide, y.type, contract), y)
        self.graph.output(y)


def scales(rng: np.random.Generator, n: int, contract: type[Contract], *, many: bool) -> Any:
    """Of weights: one, or one a channel; powers of two where the contract only shifts."""
    if not many:
        return 0.25
    drawn = rng.integers(-4, 0, n) if contract.name == "pow2" else rng.uniform(-4, 0, n)
    return tuple((2.0**drawn).tolist())


def layer(b: Layers, contract: type[Contract], *, depthwise: bool = False, full: bool = False) -> None:
    """A convolution of random shape, or a fully connected layer, with or without what follows."""
    rng, many = b.rng, bool(b.rng.random() < 0.6)
    fmt = (INT8, INT8, UINT8, INT16, INT4)[rng.integers(5)]
    zero = 0 if fmt is INT16 else int(rng.integers(fmt.min_int, fmt.max_int + 1))
    out = (INT8, INT8, UINT8, INT16)[rng.integers(4)]
    w_fmt = (INT8, INT8, INT8, INT4, TERNARY)[rng.integers(5)]
    c, o = int(rng.integers(1, 41)), int(rng.integers(1, 41))
    if full:
        scale = scales(rng, o, contract, many=many)
        k, rows = int(rng.integers(1, 150)), int(rng.integers(1, 9))
        x = b.input((rows, k) if rows > 1 else (k,), fmt, zero)
        w = b.weights((k, o), w_fmt, scale, 1 if many else None)
        op: Any = MatMul()
    else:
        kernel = (1, 1) if rng.random() < 0.3 else tuple(rng.integers(1, 6, 2).tolist())
        pads = tuple(tuple(rng.integers(0, k, 2).tolist()) for k in kernel)
        fields = {"kernel": kernel, "padding": pads, "stride": tuple(rng.integers(1, 4, 2).tolist())}
        fields["dilation"] = tuple(rng.integers(1, 3, 2).tolist()) if rng.random() < 0.3 else (1, 1)
        h, wd = (int(d * (k - 1) + rng.integers(1, 8)) for k, d in zip(kernel, fields["dilation"], strict=True))
        o = c if depthwise else o
        scale = scales(rng, o, contract, many=many)
        x = b.input((h, wd, c), fmt, zero)
        w = b.weights((o, *kernel, 1 if depthwise else c), w_fmt, scale, 0 if many else None)
        op = Conv2d(**fields, groups=c if depthwise else 1)
    step = np.asarray(scale) * x.type.scale
    bias = b.constant(
        rng.integers(-9000, 9000, o), INT32, tuple(step.tolist()) if many else float(step), 0 if many else None
    )
    sums = b.graph.add(op, x, w, bias)
    if rng.random() < 0.1:
        b.graph.output(sums)
    else:
        b.end(sums, contract, out, many=many)


def codes_of(graph: Graph, rng: np.random.Generator) -> dict[str, Codes]:
    """Random samples between one of the lowest and one of the highest codes."""
    codes = {}
    for v in graph.inputs:
        lo, hi = v.type.fmt.min_int, v.type.fmt.max_int
        x = rng.integers(lo, hi + 1, (SAMPLES, *v.type.sample_shape))
        x[0], x[-1] = lo, hi
        codes[v.name] = x.astype(v.type.fmt.dtype)
    return codes


def layers(seed: int, count: int) -> tuple[Graph, dict[str, Codes]]:
    """`count` layers of each kind under changing contracts."""
    b = Layers(seed)
    for i in range(count):
        contract = CONTRACTS[i % len(CONTRACTS)]
        layer(b, contract)
        layer(b, contract, depthwise=True)
        layer(b, contract, full=True)
    return b.graph, codes_of(b.graph, b.rng)


def check(graph: Graph, codes: dict[str, Codes], target: str, flags: tuple[str, ...]) -> None:
    """All outputs of the compiled program are the simulator's."""
    got = compile_and_run(graph, codes, compilers()["gcc"], (*flags, *STRICT), trace=False, target=target)
    want = simulate(graph, codes, engine="numpy")
    for v in graph.outputs:
        assert_same(want[v.name], got[v.name], what=f"{v.name} of {target}")


@pytest.mark.parametrize("name", BUILDS)
def test_random_layers(name: str) -> None:
    target, flags = BUILDS[name]
    if target == "x86-64" and not HERE:
        pytest.skip(f"this machine is {platform.machine()}")
    check(*layers(7, 10), target, flags)


@pytest.mark.skipif(not HERE, reason=f"this machine is {platform.machine()}")
@pytest.mark.parametrize("flags", [("-O1", "-march=native"), ("-O0",)], ids=["vectors", "plain C"])
def test_kernels_stay_inside_their_buffers(flags: tuple[str, ...]) -> None:
    """Address and undefined-behaviour sanitizers: past the end of a row there is scratch buffer."""
    check(*layers(8, 5), "x86-64", (*flags, *SANITIZERS))
