"""Ends of what kernels may take on: past them a layer keeps plain loops or 64 bits, and no table that nobody reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from codegen import emit_c
from codegen.runners.c import SANITIZERS, STRICT, compile_and_run, compilers
from codegen.targets import TARGETS
from hwsim.contracts import Pow2, TflmDouble
from hwsim.formats import INT4, INT8, INT16, INT32, INT48, UINT32, Codes, Format, IntFormat
from hwsim.graph import Graph, Value
from hwsim.ops import BlockMatMul, Conv2d, MatMul, Requant
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate
from tests.compare import assert_same

RNG = np.random.default_rng(11)
NAMES = [t.name for t in TARGETS]


def constant(g: Graph, codes: Any, fmt: Format = INT8) -> Value:
    """One more constant."""
    tensor = QTensor(QType(np.shape(codes), fmt), np.asarray(codes, fmt.dtype))
    return g.constant(f"c{len(g.constants)}", tensor)


def random(*shape: int, fmt: IntFormat = INT8) -> Codes:
    """Codes of a format, its ends included."""
    return RNG.integers(fmt.min_int, fmt.max_int + 1, shape)


def widened(g: Graph, x: Value, fmt: IntFormat) -> Value:
    """The same numbers in a wider type."""
    return g.add(Requant(contract=Pow2(shift=(0,)), fmt=fmt, scale=1.0), x)


def check(g: Graph, codes: dict[str, Codes], targets: Sequence[str] = ("generic", "cortex-m3")) -> None:
    """Under sanitizers, all outputs are the simulator's."""
    want = simulate(g, codes, engine="numpy")
    for target in targets:
        flags = ("-O1", *SANITIZERS, *STRICT)
        got = compile_and_run(g, codes, compilers()["gcc"], flags, trace=False, target=target)
        for v in g.outputs:
            assert_same(want[v.name], got[v.name], what=f"{v.name} of {target}")


def test_limits_past_32_bits() -> None:
    """Results of 32-bit forms saturate at limits that no int32 holds."""
    g = Graph("wide")
    for i, fmt in enumerate((UINT32, INT48)):
        g.output(widened(g, g.input(f"x{i}", QType((BATCH, 2), INT8)), fmt))
    x = np.array([[-128, -1], [0, 127]], np.int8)
    check(g, {"x0": x, "x1": x})


def test_second_rounding_at_the_end_of_int32() -> None:
    g = Graph("doubled")
    k = TflmDouble(multiplier=((1 << 31) - 1,), shift=(-2,))
    x = g.input("x", QType((BATCH, 4), INT32))
    g.output(g.add(Requant(contract=k, fmt=INT32, scale=float(1 / k.ratio[0])), x))
    top = (1 << 31) - 1
    check(g, {"x": np.array([[top, top - 1, -top - 1, -top]], np.int32)})


@pytest.mark.parametrize("fmt", [INT32, INT48], ids=lambda f: f.name)
def test_narrow_numbers_in_wide_types(fmt: IntFormat) -> None:
    """A depthwise convolution whose inputs fit 8 bits but lie in more: no kernel loads such elements in Helium."""
    g = Graph("depthwise")
    x = widened(g, g.input("x", QType((BATCH, 4, 4, 8), INT8)), fmt)
    g.output(g.add(Conv2d(kernel=(3, 3), groups=8), x, constant(g, random(8, 3, 3, 1))))
    check(g, {"x": random(2, 4, 4, 8).astype(np.int8)})
    assert "hw_four" not in emit_c(g, target="cortex-m55")["depthwise.c"]


@pytest.mark.parametrize("target", NAMES)
def test_computed_bias_keeps_plain_loops(target: str) -> None:
    g = Graph("bias")
    x, b = g.input("x", QType((BATCH, 8), INT8)), g.input("b", QType((4,), INT16))
    g.output(g.add(MatMul(), x, constant(g, random(8, 4)), b))
    assert "sum00" not in emit_c(g, target=target)["bias.c"]


def test_biased_codes_stay_inside_int32() -> None:
    """Codes with a bias, less what it adds, may pass int32 where the exact sums just do not."""
    for start, packed in ((9000, True), ((1 << 31) - 1 - 32 * 128 * 8, False)):
        g = Graph("biased")
        x = g.input("x", QType((BATCH, 2, 32), INT8))
        g.output(g.add(MatMul(), x, constant(g, random(32, 3, fmt=INT4), INT4), constant(g, [start] * 3, INT32)))
        assert ("less[" in emit_c(g, target="cortex-m4")["biased.c"]) == packed
        check(g, {"x": random(3, 2, 32).astype(np.int8)}, ("generic",))


@pytest.mark.parametrize("target", NAMES)
def test_every_table_is_read(target: str) -> None:
    """A kernel that is given up leaves no table behind."""
    g = Graph("tables")
    x, wide = g.input("x", QType((BATCH, 2, 16), INT8)), g.input("wide", QType((BATCH, 2, 32), INT16))
    scales = constant(g, random(4, 3))
    g.output(g.add(BlockMatMul(block=4), x, constant(g, random(16, 3, fmt=INT4), INT4), scales))
    g.output(g.add(BlockMatMul(block=4), x, constant(g, random(16, 3)), scales))
    g.output(g.add(MatMul(), wide, constant(g, random(32, 4, fmt=INT4), INT4)))
    text = "\n".join(emit_c(g, target=target).values())
    for name in set(re.findall(r"\btables_t\d+\b", text)):
        uses = re.findall(rf"\b{name}\b(?!\[\d+\])", text)
        assert uses, f"{name} is never read"


@pytest.mark.parametrize("level", ["-march=native", "-march=x86-64"])
@pytest.mark.parametrize(
    ("fmt", "shift", "scale", "zero"),
    [(INT32, 0, 1.0, 2**31 - 1), (UINT32, 3, 8.0, 0), (INT48, 3, 8.0, 0)],
    ids=["zero point", "limits", "wider"],
)
def test_vectors_leave_what_passes_32_bits(level: str, fmt: IntFormat, shift: int, scale: float, zero: int) -> None:
    rng = np.random.default_rng(0)
    g = Graph("wide")
    x = g.input("x", QType((BATCH, 8), INT8))
    w = g.constant("w", QTensor(QType((8, 20), INT8), rng.integers(-128, 128, (8, 20)).astype(np.int8)))
    op = Requant(contract=Pow2(shift=(shift,)), fmt=fmt, scale=scale, zero_point=zero)
    g.output(g.add(op, g.add(MatMul(), x, w), name="y"))
    given = {"x": rng.integers(-128, 128, (6, 8)).astype(np.int8)}
    got = compile_and_run(g, given, compilers()["gcc"], ("-O2", level, *STRICT), trace=False, target="x86-64")
    assert_same(simulate(g, given, engine="numpy")["y"], got["y"], what="y")
