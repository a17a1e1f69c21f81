"""Sums, products and their like: all 65,536 pairs of codes for many types, against both engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwsim.dialects.tflite_elementwise import add, extreme, mul, prelu, rescale, squared_difference
from hwsim.dialects.tflite_functions import clamp
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from tests.backends import check_engines

from .one_op import ENDS, Build, compare, graph_of, kind

CODES = np.arange(-128, 128, dtype=np.int8)
PAIRS = tuple(np.ascontiguousarray(c).reshape(1, -1) for c in np.meshgrid(CODES, CODES))
OPERATORS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "add": ("ADD", "AddOptions", {}),
    "sub": ("SUB", "SubOptions", {}),
    "mul": ("MUL", "MulOptions", {}),
    "squared_difference": ("SQUARED_DIFFERENCE", "SquaredDifferenceOptions", {}),
    "prelu": ("PRELU", None, {}),
    "maximum": ("MAXIMUM", "MaximumMinimumOptions", {}),
    "minimum": ("MINIMUM", "MaximumMinimumOptions", {}),
}
ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}


def builder(name: str, activation: int = 0) -> Build:
    def build(g: Graph, x: list[Value], out: QType, contract: str) -> Value:
        ends: dict[str, Any] = {}
        if activation:
            lo, hi = clamp(out, ACTIVATIONS[activation])
            ends = {"lo": lo, "hi": hi}
        match name:
            case "add" | "sub":
                return add(g, *x, out, contract, subtract=name == "sub", **ends, name="y")
            case "mul":
                return mul(g, *x, out, contract, **ends, name="y")
            case "squared_difference":
                return squared_difference(g, *x, out, name="y")
            case "prelu":
                return prelu(g, *x, out, contract, name="y")
            case _:
                return extreme(g, *x, out, largest=name == "maximum", name="y")

    return build


def operands(rng: np.random.Generator, dtype: str) -> tuple[NDArray[Any], ...]:
    """All pairs of INT8; 200,000 of INT16 with its ends."""
    if dtype == "int8":
        return PAIRS
    lo, hi = ENDS[dtype]
    a, b = (rng.integers(lo, hi + 1, (1, 200_000)).astype(dtype) for _ in "ab")
    a[0, :4], b[0, :4] = (lo, hi, lo, hi), (lo, hi, hi, lo)
    return a, b


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_sums_and_products_as_the_engines_have_them(name: str, dtype: str) -> None:
    rng, outputs = np.random.default_rng(8), 0
    for i in range(12):
        a, b = operands(rng, dtype)
        types, out = (kind(rng, dtype), kind(rng, dtype)), kind(rng, dtype)
        if i % 3 == 0:  # sums next to ties, which one bit less below the step would decide otherwise
            near = float(np.float32(types[0][0] * (1 + (1 + i % 7) * 2.0**-19)))
            types, out = (types[0], (near, types[1][1])), (2 * types[0][0], out[1])
        if dtype == "int16":  # no three powers of two, which LiteRT shifts; no product that overflows
            out = (float(np.float32(out[0] * 1.1)), 0)
            out = (float(np.float32(max(out[0], 1.01 * types[0][0] * types[1][0]))), 0) if name == "mul" else out
        activation = i % 4
        kind_, table, options = OPERATORS[name]
        op = (kind_, table, {**options, "fusedActivationFunction": activation})
        inputs = {"a": (a, types[0]), "b": (b, types[1])}
        outputs += compare(op, builder(name, activation), inputs, out, a.shape)
    assert outputs >= 100_000


@pytest.mark.parametrize("name", ["squared_difference", "maximum", "minimum"])
def test_differences_as_the_engines_have_them(name: str) -> None:
    rng, outputs = np.random.default_rng(9), 0
    for _ in range(8):
        a, b, out = (kind(rng) for _ in range(3))
        if name != "squared_difference":
            a = b = out
        outputs += compare(OPERATORS[name], builder(name), {"a": (PAIRS[0], a), "b": (PAIRS[1], b)}, out, (1, 1 << 16))
    assert outputs >= 100_000


def test_prelu_as_the_engines_have_it() -> None:
    rng, outputs = np.random.default_rng(10), 0
    for _ in range(8):
        inputs = {"a": (PAIRS[0], kind(rng)), "b": (PAIRS[1], kind(rng))}
        outputs += compare(OPERATORS["prelu"], builder("prelu"), inputs, kind(rng), (1, 1 << 16), version=1)
    assert outputs >= 100_000


@pytest.mark.parametrize("name", ["add", "mul"])
def test_broadcasting(name: str) -> None:
    rng = np.random.default_rng(11)
    a = rng.integers(-128, 128, (6, 4, 5, 3)).astype(np.int8)
    b = rng.integers(-128, 128, (6, 1, 1, 3)).astype(np.int8)
    compare(OPERATORS[name], builder(name), {"a": (a, (0.1, 3)), "b": (b, (0.02, -9))}, (0.05, 7), a.shape)


def test_rescaling_as_the_engines_have_it() -> None:
    rng = np.random.default_rng(12)

    def build(g: Graph, x: list[Value], out: QType, contract: str) -> Value:
        return rescale(g, x[0], out, name="y")

    op = ("QUANTIZE", "QuantizeOptions", {})
    x = CODES.reshape(1, -1)
    assert sum(compare(op, build, {"x": (x, kind(rng))}, kind(rng), x.shape) for _ in range(200)) >= 100_000


@pytest.mark.parametrize("name", OPERATORS)
def test_every_engine_of_ours(name: str) -> None:
    a, b = (c.reshape(256, 256)[::5, ::3].copy() for c in PAIRS)
    types = ((0.05, 3), (0.05, 3)) if name in ("maximum", "minimum") else ((0.05, 3), (0.02, -128))
    out = types[0] if name in ("maximum", "minimum") else (0.04, -5)
    check_engines(
        graph_of(builder(name), {"a": (a, types[0]), "b": (b, types[1])}, out, "tfl_single"), {"a": a, "b": b}
    )


def test_what_tflite_does_not_compute_is_refused() -> None:
    g = Graph()
    a, b = g.input("a", QType((BATCH, 3), INT8, 0.1)), g.input("b", QType((BATCH, 3), INT16, 0.1))
    c = g.input("c", QType((BATCH, 3), INT8, 0.2))
    with pytest.raises(ValueError, match="add: 'a', 'b' and the result are int8, int16, int8"):
        add(g, a, b, QType((1,), INT8, 0.1), "tfl_single", name="y")
    half = QType((1,), INT16, 0.5)
    with pytest.raises(ValueError, match="LiteRT shifts INT16 of the scales"):
        add(
            g,
            *(g.input(n, QType((BATCH, 3), INT16, s)) for n, s in (("p", 0.5), ("q", 0.25))),
            half,
            "tfl_single",
            name="y",
        )
    with pytest.raises(ValueError, match="maximum: inputs differ"):
        extreme(g, a, c, QType((1,), INT8, 0.1), largest=True, name="y")
    with pytest.raises(ValueError, match="overflow TFLite's int32"):
        mul(g, b, b, QType((1,), INT16, 0.007), "tfl_single", name="z")
