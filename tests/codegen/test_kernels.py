"""Kernels of linear layers by target: every shape, contract and extreme gives the simulator's codes.

Layers of one seed share a graph, so that a compiler starts once for many of them.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest

from codegen.runners.c import SANITIZERS, STRICT, compile_and_run, compilers
from codegen.targets import target_named
from hwsim.contracts import CONTRACTS, Contract, OnnxFloat, Pow2, TflmDouble, TflSingle
from hwsim.formats import INT4, INT8, INT16, INT32, TERNARY, UINT8, Codes, IntFormat
from hwsim.graph import Graph, Value
from hwsim.ops import Conv2d, Lut, MatMul, Requant
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate
from tests.compare import assert_same

HERE = platform.machine() in ("x86_64", "AMD64")
BUILDS = {  # name -> target, flags; -march=native is AVX-512 with VNNI where these tests were written
    "generic": ("generic", ("-O2",)),
    "registers of eight": ("cortex-m0", ("-O2",)),
    "microcontroller": ("cortex-m3", ("-O1",)),
    "vectors": ("x86-64", ("-O3", "-march=native")),
    "vectors, SSE2": ("x86-64", ("-O2",)),
    "vectors, AVX2": ("x86-64", ("-O3", "-mavx2")),
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

    def end(self, sums: Value, contract: type[Contract], out: IntFormat) -> None:
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
            table = np.arange(-128, 128) if out is INT8 and rng.random() < 0.5 else rng.integers(-128, 128, 256)
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


def convolution(
    b: Layers,
    x: Value,
    o: int,
    w_fmt: IntFormat,
    contract: type[Contract],
    *,
    many: bool,
    depthwise: bool,
    **fields: Any,
) -> Value:
    """Sums of a convolution of `x` with random weights and biases."""
    scale, c = scales(b.rng, o, contract, many=many), int(x.type.shape[3])
    w = b.weights((o, *fields["kernel"], 1 if depthwise else c), w_fmt, scale, 0 if many else None)
    return b.graph.add(Conv2d(**fields, groups=c if depthwise else 1), x, w, biases(b, x, scale, o))


def connected(b: Layers, x: Value, o: int, w_fmt: IntFormat, contract: type[Contract], *, many: bool) -> Value:
    """Sums of a fully connected layer."""
    scale = scales(b.rng, o, contract, many=many)
    w = b.weights((int(x.type.shape[-1]), o), w_fmt, scale, 1 if many else None)
    return b.graph.add(MatMul(), x, w, biases(b, x, scale, o))


def biases(b: Layers, x: Value, scale: Any, o: int) -> Value:
    """One an output channel."""
    step = np.asarray(scale) * x.type.scale
    many = step.ndim > 0
    codes = b.rng.integers(-9000, 9000, o)
    return b.constant(codes, INT32, tuple(step.tolist()) if many else float(step), 0 if many else None)


def layer(b: Layers, contract: type[Contract], *, depthwise: bool = False, full: bool = False) -> None:
    """A convolution of random shape, or a fully connected layer, with or without what follows."""
    rng, many = b.rng, bool(b.rng.random() < 0.6)
    fmt = (INT8, INT8, UINT8, INT16, INT4)[rng.integers(5)]
    zero = 0 if fmt is INT16 else int(rng.integers(fmt.min_int, fmt.max_int + 1))
    out = (INT8, INT8, UINT8, INT16)[rng.integers(4)]
    w_fmt = (INT8, INT8, INT8, INT4, TERNARY)[rng.integers(5)]
    c, o = int(rng.integers(1, 41)), int(rng.integers(1, 41))
    if full:
        k, rows = int(rng.integers(1, 150)), int(rng.integers(1, 9))
        sums = connected(b, b.input((rows, k) if rows > 1 else (k,), fmt, zero), o, w_fmt, contract, many=many)
    else:
        kernel = (1, 1) if rng.random() < 0.3 else tuple(rng.integers(1, 6, 2).tolist())
        pads = tuple(tuple(rng.integers(0, k, 2).tolist()) for k in kernel)
        fields = {"kernel": kernel, "padding": pads, "stride": tuple(rng.integers(1, 4, 2).tolist())}
        fields["dilation"] = tuple(rng.integers(1, 3, 2).tolist()) if rng.random() < 0.3 else (1, 1)
        h, w = (int(d * (k - 1) + rng.integers(1, 8)) for k, d in zip(kernel, fields["dilation"], strict=True))
        x = b.input((h, w, c), fmt, zero)
        o = c if depthwise else o
        sums = convolution(b, x, o, w_fmt, contract, many=many, depthwise=depthwise, **fields)
    if rng.random() < 0.1:
        b.graph.output(sums)
    else:
        b.end(sums, contract, out)


SHAPES: dict[str, dict[str, Any]] = {  # image, output channels (0: depthwise), fields; the corners of the kernels
    "column of rows apart": {"image": (9, 1, 8), "o": 18, "kernel": (3, 1), "dilation": (2, 1)},
    "bytes behind a run": {"image": (5, 5, 3), "o": 7, "kernel": (3, 3)},
    "bytes behind a pixel": {"image": (2, 3, 13), "o": 17, "kernel": (1, 1)},
    "windows that share rows": {"image": (9, 6, 20), "o": 0, "kernel": (3, 3), "padding": ((1, 1), (1, 1))},
    "windows two rows apart": {"image": (11, 7, 17), "o": 0, "kernel": (5, 3), "stride": (2, 1)},
    "window of two vectors": {"image": (7, 11, 3), "o": 0, "kernel": (2, 6)},
    "few channels": {"image": (6, 6, 5), "o": 0, "kernel": (3, 3)},
}


def shaped(b: Layers, name: str, contract: type[Contract] = TflmDouble) -> None:
    """One of `SHAPES`; its sums go out as they are, and in INT8."""
    fields = {k: v for k, v in SHAPES[name].items() if k not in ("image", "o")}
    image, o = SHAPES[name]["image"], SHAPES[name]["o"]
    x = b.input(image, INT8, -7)
    sums = convolution(b, x, o or image[2], INT8, contract, many=True, depthwise=not o, **fields)
    b.graph.output(sums)


RATIOS = (0.7, 2.0**-3, 2.0**-12, 3e-4)


def requantized(contracts: Sequence[type[Contract]]) -> tuple[Graph, dict[str, Codes]]:
    """Sums in the middle between two codes, and beside it, under every contract into every width."""
    b = Layers(3)
    for contract, ratio, out in product(contracts, RATIOS, (INT8, UINT8, INT16)):
        if contract is Pow2 and np.frexp(ratio)[0] != 0.5:
            continue
        x, w = b.input((4, 1), INT8, 0), b.constant(b.rng.integers(-128, 128, (1, 20)), INT8, 0.25)
        sums = b.graph.add(
            MatMul(),
            x,
            w,
            b.constant(b.rng.integers(-5, 5, 20) * b.rng.choice((1, 20), 20) * 4096 + 2048, INT32, 0.125),
        )
        t = QType(sums.type.shape, out, 0.125 / ratio, {INT8: -5, UINT8: 3}.get(out, 0))
        roundings = ("half_up", "half_away") if contract is TflSingle else ("half_up",)
        for rounding in roundings:
            b.graph.output(b.graph.add(Requant.to(t, sums.type, contract, rounding), sums))
    return b.graph, codes_of(b.graph, b.rng)


def codes_of(graph: Graph, rng: np.random.Generator) -> dict[str, Codes]:
    """Random samples, and one of the lowest codes, of 0, of the highest."""
    codes = {}
    for v in graph.inputs:
        lo, hi = v.type.fmt.min_int, v.type.fmt.max_int
        x = rng.integers(lo, hi + 1, (SAMPLES, *v.type.sample_shape))
        x[0], x[1], x[-1] = lo, max(lo, 0), hi
        codes[v.name] = x.astype(v.type.fmt.dtype)
    return codes


def layers(seed: int, count: int, contracts: Sequence[type[Contract]] = CONTRACTS) -> tuple[Graph, dict[str, Codes]]:
    """`count` layers of each kind under changing contracts."""
    b = Layers(seed)
    for i in range(count):
        contract = contracts[i % len(contracts)]
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


def contracts_of(target: str) -> list[type[Contract]]:
    """Those that its hardware can compute."""
    return [c for c in CONTRACTS if target_named(target).float32 or c is not OnnxFloat]


def here(target: str) -> None:
    """Leave the test out where the target's C does not compile."""
    if target == "x86-64" and not HERE:
        pytest.skip(f"this machine is {platform.machine()}")


@pytest.mark.parametrize("name", BUILDS)
def test_random_layers(name: str) -> None:
    target, flags = BUILDS[name]
    here(target)
    check(*layers(7, 8, contracts_of(target)), target, flags)


@pytest.mark.parametrize("name", BUILDS)
def test_corners(name: str) -> None:
    """Shapes that kernels treat in their own way."""
    target, flags = BUILDS[name]
    here(target)
    b = Layers(5)
    for shape in SHAPES:
        shaped(b, shape)
    for k in (13, 70, 128):
        b.graph.output(connected(b, b.input((k,), INT8, 9), 21, INT8, TflmDouble, many=False))
    check(b.graph, codes_of(b.graph, b.rng), target, flags)


@pytest.mark.parametrize("name", BUILDS)
def test_requantization_of_many_channels(name: str) -> None:
    target, flags = BUILDS[name]
    here(target)
    check(*requantized(contracts_of(target)), target, flags)


@pytest.mark.skipif(not HERE, reason=f"this machine is {platform.machine()}")
@pytest.mark.parametrize("flags", [("-march=native",), ("-mavx2",), ()], ids=["best", "AVX2", "SSE2"])
def test_kernels_stay_inside_their_buffers(flags: tuple[str, ...]) -> None:
    """Address and undefined-behaviour sanitizers: past the end of a row there is scratch buffer.

    Why one layer a program too: then nothing lies behind its buffer.
    """
    check(*layers(8, 5), "x86-64", ("-O1", *flags, *SANITIZERS))
    for shape in ("bytes behind a run", "bytes behind a pixel", "few channels"):
        b = Layers(6)
        shaped(b, shape)
        check(b.graph, codes_of(b.graph, b.rng), "x86-64", ("-O1", *flags, *SANITIZERS))
