"""A multiply-accumulate unit whose accumulator is a float: the product is rounded to its format, then added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, Format, IntFormat
from hwsim.ranges import format_interval

from .float_add import added
from .float_format import AnyFloat, AnyOperand, arithmetic, operand
from .float_multiply import factor, multiplied
from .float_operators import check_operands
from .float_parts import flushed
from .float_stimulus import moderate, pairs, some
from .mac import STEPS
from .module import Clocked, Module, module_name
from .unit import EXHAUSTIVE, Stimulus, check_stages


@dataclass(frozen=True, kw_only=True)
class FloatMacUnit:
    """``acc = round_to(acc, (first ? start : acc) + round_to(acc, a * b))``, one step a cycle, y = acc.

    Not fused: the product is rounded first. Where `acc` holds every product, as FP32 those of BF16 and of FP16 and FP16
    those of FP4, that changes nothing and takes no logic, over- and underflow aside. Operands and starts are finite; an
    accumulator that has overflown is infinite until the next ``first``, or NaN.

    Args:
        a, b: formats of the operands: floats, or integers of scale 1.
        acc: format of the accumulator.
        stages: 1 holds the operands as well.
        bias: whether a port ``start`` gives what a sum begins with; else 0.
        name: of the module, any string.
    """

    a: AnyOperand
    b: AnyOperand
    acc: AnyFloat
    stages: int = 0
    bias: bool = False
    name: str = "float_mac"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist, and operands whose product float64 does not hold."""
        check_stages("float mac unit", self.stages, 1)
        check_operands("float mac unit", self.a, self.b)
        arithmetic(self.acc)

    @property
    def latency(self) -> int:
        """The accumulator's edge, and that of the operands."""
        return 1 + self.stages

    @property
    def results(self) -> dict[str, Format]:
        """Codes of the accumulator."""
        return {"y": arithmetic(self.acc).codes}

    @property
    def module(self) -> Module:
        """Multiply, add, keep."""
        m = Module(module_name(self.name), "acc = (first ? start : acc) + a * b in floats, y = acc")
        f = arithmetic(self.acc)
        m.clock()
        first = m.port("first", None)
        codes = [(m.port(p, g.bits), g) for p, g in (("a", self.a), ("b", self.b))]
        start = m.port("start", f.bits) if self.bias else f"{f.bits}'h0"
        if self.stages:
            first, codes = m.kept("first_kept", first, 1), [(m.kept(f"{p}_kept", p, g.bits), g) for p, g in codes]
            start = m.kept("start_kept", start, f.bits) if self.bias else start
        start = flushed(m, "start_flushed", start, f) if self.bias else start
        acc = m.register("acc", format_interval(IntFormat("bits", f.bits)))
        base = m.field("base", f.bits, f"{first} ? {start} : {acc.name}")
        a, b = (factor(m, c, g) for c, g in codes)
        m.clocked.append(Clocked(acc.name, added(m, "sum", f, base, multiplied(m, "product", f, a, b))))
        m.result("y", f.bits, acc)
        return m

    def setup(self) -> Stimulus:
        """Nothing to load."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Sums of `STEPS` cycles over all pairs of codes, or over edges, random pairs and pairs near 1."""
        formats = operand(self.a), operand(self.b)
        a, b = pairs(rng, *formats, count // 2)
        if sum(g.bits for g in formats) > EXHAUSTIVE:
            a, b = (
                np.concatenate([x, moderate(rng, g, count - count // 2)]) for x, g in zip((a, b), formats, strict=True)
            )
            order = np.arange(len(a))
        else:
            order = np.concatenate([rng.permutation(len(a)) for _ in range(-(-count // len(a)))])
        order = order[np.arange(len(order)) - (rng.random(len(order)) < 0.25)]  # repeats, or takes back, what is before
        a, b = a[order], self._turned(rng, b[order])
        codes = {"first": (np.arange(len(a)) % STEPS == 0).astype(np.int64), "a": a, "b": b}
        if self.bias:
            codes["start"] = some(rng, arithmetic(self.acc), len(a))
        return codes

    def _turned(self, rng: np.random.Generator, b: Codes) -> Codes:
        """Half of them with the other sign, so that neighbours cancel."""
        if isinstance(self.b, IntFormat):
            return np.where(rng.random(len(b)) < 0.5, np.clip(-b, self.b.min_int, self.b.max_int), b)
        return b ^ (rng.integers(0, 2, len(b)) << (self.b.bits - 1))

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """Every running sum by the format's product and sum, all sums beside each other."""
        f, begins = arithmetic(self.acc), np.flatnonzero(codes["first"])
        products = f.product(codes["a"], self.a, codes["b"], self.b)
        lengths = np.diff([*begins, len(products)])
        y = np.zeros(len(products), f.codes.dtype)
        for step in range(lengths.max()):
            at = begins[lengths > step] + step
            y[at] = f.sum(self._start(codes, at) if step == 0 else y[at - 1], products[at])
        return {"y": y}

    def _start(self, codes: Mapping[str, NDArray[Any]], at: Codes) -> Codes:
        return codes["start"][at] if self.bias else np.zeros(len(at), np.int64)

    def describe(self) -> tuple[str, str]:
        """How sums and products round, and what becomes of subnormals."""
        return f"subnormals {arithmetic(self.acc).subnormals}", "half_even"
