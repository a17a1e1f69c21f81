"""A float adder and a float multiplier as units of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, Format, IntFormat

from .float_add import added
from .float_format import AnyFloat, AnyOperand, arithmetic, operand
from .float_multiply import factor, multiplied
from .float_parts import flushed
from .float_stimulus import pairs
from .module import Module, module_name
from .unit import Stimulus, check_stages

WIDEST = 24  # bits of an integer operand, as of FP32's significand


class Rounded:
    """What float units share: a result of `fmt`, pipeline registers, nothing to load."""

    fmt: AnyFloat
    stages: int

    @property
    def latency(self) -> int:
        """One edge a stage."""
        return self.stages

    @property
    def results(self) -> dict[str, Format]:
        """Codes of `fmt`."""
        return {"y": arithmetic(self.fmt).codes}

    def setup(self) -> Stimulus:
        """Nothing to load."""
        return {}

    def describe(self) -> tuple[str, str]:
        """How results round, and what becomes of subnormals."""
        return f"subnormals {arithmetic(self.fmt).subnormals}", "half_even"


def result(m: Module, code: str, bits: int, kept: bool) -> None:
    """Drive port ``y``, from a register if need be."""
    m.outputs.append((m.port("y", bits, output=True), m.kept("y_kept", code, bits) if kept else code))


@dataclass(frozen=True, kw_only=True)
class FloatAdderUnit(Rounded):
    """``y = round_to(fmt, a + b)``; a and b are finite.

    Args:
        fmt: of a, b and y.
        stages: 1 holds the result, 2 the operands as well.
        name: of the module, any string.
    """

    fmt: AnyFloat
    stages: int = 0
    name: str = "float_adder"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist."""
        check_stages("float adder unit", self.stages, 2)
        arithmetic(self.fmt)

    @property
    def module(self) -> Module:
        """One path of alignment, addition, normalization, rounding."""
        m, f = Module(module_name(self.name), "y = round_to(fmt, a + b)"), arithmetic(self.fmt)
        if self.stages:
            m.clock()
        codes = [m.port(p, f.bits) for p in "ab"]
        if self.stages == 2:
            codes = [m.kept(f"{p}_kept", p, f.bits) for p in codes]
        a, b = (flushed(m, f"{c}_flushed", c, f) for c in codes)
        result(m, added(m, "sum", f, a, b, finite=True), f.bits, self.stages > 0)
        return m

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """All pairs of finite codes, or edges, cancellations, ties and random pairs."""
        f = arithmetic(self.fmt)
        a, b = pairs(rng, f, f, count)
        return {"a": a, "b": b}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The format's sum."""
        return {"y": arithmetic(self.fmt).sum(codes["a"], codes["b"])}


@dataclass(frozen=True, kw_only=True)
class FloatMultiplierUnit(Rounded):
    """``y = round_to(fmt, a * b)``; a and b are finite.

    Args:
        a, b: formats of the operands: floats, or integers of scale 1.
        fmt: of the result.
        stages: 1 holds the result, 2 the operands as well.
        name: of the module, any string.
    """

    a: AnyOperand
    b: AnyOperand
    fmt: AnyFloat
    stages: int = 0
    name: str = "float_multiplier"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, and operands whose product float64 does not hold."""
        check_stages("float multiplier unit", self.stages, 2)
        check_operands("float multiplier unit", self.a, self.b)
        arithmetic(self.fmt)

    @property
    def module(self) -> Module:
        """Multiply, normalize, round."""
        m, f = Module(module_name(self.name), "y = round_to(fmt, a * b)"), arithmetic(self.fmt)
        if self.stages:
            m.clock()
        codes = [(m.port(p, g.bits), g) for p, g in (("a", self.a), ("b", self.b))]
        if self.stages == 2:
            codes = [(m.kept(f"{p}_kept", p, g.bits), g) for p, g in codes]
        a, b = (factor(m, c, g) for c, g in codes)
        result(m, multiplied(m, "product", f, a, b), f.bits, self.stages > 0)
        return m

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """All pairs of finite codes, or edges, over- and underflows, ties and random pairs."""
        a, b = pairs(rng, operand(self.a), operand(self.b), count)
        return {"a": a, "b": b}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The format's product."""
        return {"y": arithmetic(self.fmt).product(codes["a"], self.a, codes["b"], self.b)}


def check_operands(what: str, *formats: AnyOperand) -> None:
    """ValueError unless all products are exact in float64: integers have at most 24 bits."""
    for fmt in formats:
        if isinstance(f := operand(fmt), IntFormat) and f.bits > WIDEST:
            raise ValueError(f"{what}: operand {f.name} has more than {WIDEST} bits")
