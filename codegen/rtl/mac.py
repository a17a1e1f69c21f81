"""A multiply-accumulate unit of one or more lanes: exact products of any two formats, in a fixed-point accumulator.

Every format is a grid of integers, so a float's product is a small multiplication of significands and a shift: no
alignment, no rounding, the same sums as `hwsim.ops.MatMul`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes, FloatFormat, Format, IntFormat
from hwsim.ops import MatMul
from hwsim.ops.datapath import PLAIN, Datapath
from hwsim.qtensor import QType
from hwsim.ranges import Interval, format_interval

from .arithmetic import clipped, negated, number, parts, rounded, shifted
from .module import Clocked, Module, Signal, constant, module_name
from .unit import EXHAUSTIVE, Stimulus, check_stages, codes_of, drawn

LANES = 64
STEPS = 16  # of one sum, in stimulus
WIDEST = 16  # bits of an operand
NO_ZEROS = constant(0), constant(0)


@dataclass(frozen=True, kw_only=True)
class MacUnit:
    """``acc = limit((first ? start : acc) + sum over lanes of cut(a * b))``, one step a cycle.

    Args:
        a, b: formats of the operands, whose ports carry `lanes` codes, lane 0 in the low bits.
        acc: format of the accumulator.
        datapath: what it does at its limits; `tree` is the number of lanes where it saturates. ``refuse`` has no
            logic for it: the graph has proven that no sum passes.
        lanes: products a cycle, summed exactly.
        stages: 1 holds the operands as well.
        zero_b: zero point of `b`, which is an integer format then.
        bias: whether a port ``start`` gives what a sum begins with; else 0.
        name: of the module, any string.
    """

    a: Format
    b: Format
    acc: IntFormat
    datapath: Datapath = PLAIN
    lanes: int = 1
    stages: int = 0
    bias: bool = False
    zero_b: int = 0
    name: str = "mac"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist or do not fit each other."""
        check_stages("mac unit", self.stages, 1)
        if type(self.lanes) is not int or not 1 <= self.lanes <= LANES:
            raise ValueError(f"mac unit: lanes {self.lanes!r} must be 1..{LANES} products a cycle")
        if wide := [f.name for f in (self.a, self.b) if f.bits > WIDEST]:
            raise ValueError(f"mac unit: operand {wide[0]} has more than {WIDEST} bits")
        self.datapath.check("mac unit", self.acc)
        QType((), self.b, zero_point=self.zero_b)
        if self.datapath.overflow == "saturate" and self.datapath.tree != self.lanes:
            raise ValueError(
                f"mac unit: a saturating accumulator takes {self.datapath.tree} products a step (tree), the unit has "
                f"{self.lanes} lanes; make both equal"
            )
        if self.datapath.overflow == "refuse" and not self._step.inside(self.datapath.limits(self.acc)):
            raise ValueError(
                f"mac unit: one step may reach {self._step.lo}..{self._step.hi}, outside {self.acc.name}; widen it, "
                "or let it saturate or wrap"
            )

    @property
    def op(self) -> MatMul:
        """What defines it."""
        return MatMul(acc=self.acc, datapath=self.datapath)

    @property
    def _step(self) -> Interval:
        """What the lanes of one cycle add up to."""
        cut = self.datapath.cut_ends(format_interval(self.a).times(format_interval(self.b).shifted(-self.zero_b)))
        return Interval(self.lanes * min(cut.lo, 0), self.lanes * max(cut.hi, 0))

    @property
    def latency(self) -> int:
        """The accumulator's edge, and that of the operands."""
        return 1 + self.stages

    @property
    def results(self) -> dict[str, Format]:
        """The accumulator's."""
        return {"y": self.acc}

    @property
    def module(self) -> Module:
        """Decode, multiply, cut, add, limit."""
        m = Module(module_name(self.name), "acc = limit((first ? start : acc) + sum of cut(a * b)), y = acc")
        m.clock()
        first, ports = m.port("first", None), [("a", self.a), ("b", self.b)]
        operands = [(m.port(p, f.bits * self.lanes), f.bits * self.lanes) for p, f in ports]
        start = number(m, "start_int", m.port("start", self.acc.bits), self.acc) if self.bias else constant(0)
        if self.stages:
            first, operands = m.kept("first_kept", first, 1), [(m.kept(f"{p}_kept", p, w), w) for p, w in operands]
            start = start if start.fixed else m.delayed("start_kept", start)
        m.result("y", self.acc.bits, self.accumulator(m, first, operands[0][0], operands[1][0], start))
        return m

    def accumulator(self, m: Module, first: str, a: str, b: str, start: Signal) -> Signal:
        """The arithmetic alone: the register of sums. `a` and `b` are bits of `lanes` codes, `first` starts a sum."""
        terms = [self._term(m, lane, a, b) for lane in range(self.lanes)]
        acc = m.register("acc", format_interval(self.acc))
        base = m.wire("base", acc.reach.union(start.reach), f"{first} ? {start.name} : {acc.name}")
        m.clocked.append(Clocked(acc.name, limited(m, m.sum("next", base, *terms), self.acc, self.datapath).name))
        return acc

    def _term(self, m: Module, lane: int, a: str, b: str) -> Signal:
        """One product without its low bits."""
        bits = [
            m.field(f"{p}_{lane}", f.bits, f"{text}[{(lane + 1) * f.bits - 1}:{lane * f.bits}]")
            for p, f, text in (("a", self.a, a), ("b", self.b, b))
        ]
        zeros = constant(0), constant(self.zero_b)
        y = product(m, f"p_{lane}", (bits[0], self.a), (bits[1], self.b), zeros)
        return rounded(m, f"cut_{lane}", y, constant(self.datapath.drop), self.datapath.rounding)

    def setup(self) -> Stimulus:
        """Nothing to load."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Sums of up to `STEPS` cycles: every pair of codes where they are few, extremes, random codes and starts."""
        top, depth = self.datapath.limits(self.acc), self.depth(STEPS)
        a, b = self._operands(rng, count)
        cycles = len(a) - len(a) % depth
        first = (np.arange(cycles) % depth == 0).astype(np.int64)
        codes = {"first": first, "a": a[:cycles], "b": b[:cycles]}
        if self.bias:
            left = Interval(0, 0)
            if self.datapath.overflow == "refuse":
                left = Interval(-depth * self._step.lo, -depth * self._step.hi)
            codes["start"] = drawn(rng, self.acc, Interval(top.lo + left.lo, top.hi + left.hi), cycles)
        return codes

    def depth(self, most: int) -> int:
        """Steps of a sum that no accumulator need limit, `most` where it limits them itself."""
        if self.datapath.overflow != "refuse":
            return most
        top = self.datapath.limits(self.acc)
        ends = zip((-top.lo, top.hi), (-self._step.lo, self._step.hi), strict=True)
        room = min(bound // size for bound, size in ends if size)
        return max(1, min(most, room // 2 if self.bias else room))

    def _operands(self, rng: np.random.Generator, count: int) -> tuple[Codes, Codes]:
        """(cycles, lanes) codes of both; runs of one extreme pair, so that sums reach the ends."""
        shape = (count, self.lanes)
        a, b = (drawn(rng, f, None, shape) for f in (self.a, self.b))
        ends = [end_codes(f) for f in (self.a, self.b)]
        runs = [np.repeat(e, STEPS * 2) for e in (np.repeat(ends[0], 2), np.tile(ends[1], 2))]
        columns = [[a, np.repeat(runs[0][:, None], self.lanes, 1)], [b, np.repeat(runs[1][:, None], self.lanes, 1)]]
        if self.a.bits + self.b.bits <= EXHAUSTIVE:
            x, y = codes_of(self.a), codes_of(self.b)
            pairs = np.repeat(x, len(y)), np.tile(y, len(x))
            order = rng.permutation(-(-len(pairs[0]) // self.lanes) * self.lanes) % len(pairs[0])
            for column, p in zip(columns, pairs, strict=True):
                column.append(p[order].reshape(-1, self.lanes))
        return np.concatenate(columns[0]), np.concatenate(columns[1])

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """Every running sum, by the op's `run` of each prefix."""
        begins = np.flatnonzero(codes["first"])
        lengths = np.diff([*begins, len(codes["first"])])
        y = np.zeros(len(codes["first"]), self.acc.dtype)
        for length in np.unique(lengths):
            rows = begins[lengths == length, None] + np.arange(length)
            a, b = (codes[p][rows].reshape(len(rows), 1, -1) for p in ("a", "b"))
            start = [codes["start"][rows[:, :1]][:, :, None]] if self.bias else []
            for steps in range(1, length + 1):
                y[rows[:, steps - 1]] = self._sums(a[..., : steps * self.lanes], b[..., : steps * self.lanes], *start)
        return {"y": y}

    def _sums(self, a: Codes, b: Codes, *start: Codes) -> Codes:
        """Dot products (n, 1, k) with (n, 1, k)."""
        ins = QType((1,), self.a), QType((1,), self.b, zero_point=self.zero_b)
        ca, cb = a.astype(self.a.dtype), b.astype(self.b.dtype).swapaxes(1, 2)
        return self.op.run(ins, ca, cb, *start)[:, 0, 0]

    def describe(self) -> tuple[str, str]:
        """The accumulator's behaviour, and how products are cut."""
        return self.datapath.overflow, self.datapath.rounding if self.datapath.drop else ""


def end_codes(fmt: Format) -> NDArray[np.int64]:
    """Codes of the smallest and the largest number."""
    codes = codes_of(fmt)
    values = fmt.to_int(codes.astype(fmt.dtype))
    return codes[[values.argmin(), values.argmax()]]


def limited(m: Module, total: Signal, acc: IntFormat, path: Datapath) -> Signal:
    """What an accumulator keeps of a sum; of one that is proven, its low bits."""
    if path.overflow == "saturate":
        return clipped(m, "limited", total, path.limits(acc))
    if total.bits <= acc.bits:
        return total
    return number(m, "wrapped", total.name, acc)


def product(
    m: Module, name: str, left: tuple[str, Format], right: tuple[str, Format], zeros: tuple[Signal, Signal] = NO_ZEROS
) -> Signal:
    """Exact product of two codes on their grids, each less its zero point; floats have none.

    Two floats multiply as sign and magnitude; a float and an integer as significand times integer; a factor of -1, 0
    and 1 selects.
    """
    (_, fa), (_, fb) = left, right
    floats = isinstance(fa, FloatFormat), isinstance(fb, FloatFormat)
    if not any(floats):
        a, b = (
            _centred(m, number(m, f"{text}_int", text, f), zero)
            for (text, f), zero in zip((left, right), zeros, strict=True)
        )
        if b.reach == (-1, 1) or a.reach != (-1, 1):
            a, b = b, a
        if a.reach != (-1, 1):
            return m.product(name, a, b)
        one, none, minus = (constant(v).name for v in (1, 0, -1))
        reach = b.reach.union(Interval(-b.reach.hi, -b.reach.lo))
        return m.wire(name, reach, f"{a.name} == {one} ? {b.name} : {a.name} == {minus} ? -{b.name} : {none}")
    ends = (_less(format_interval(f), zero.reach) for f, zero in zip((fa, fb), zeros, strict=True))
    most = max(next(ends).times(next(ends)).magnitude, 1)
    if all(floats):
        return _floats(m, name, left, right, most)
    (code, ff), (text, fi), zero = (left, right, zeros[1]) if floats[0] else (right, left, zeros[0])
    assert isinstance(ff, FloatFormat)
    p, x = parts(m, code, code, ff), _centred(m, number(m, f"{text}_int", text, fi), zero)
    y = shifted(m, f"{name}_shifted", m.product(f"{name}_small", x, p.significand), p.shift, most)
    return negated(m, name, p.sign, y)


def _centred(m: Module, x: Signal, zero: Signal) -> Signal:
    """`x` less its zero point."""
    if zero.reach == (0, 0):
        return x
    return m.wire(f"{x.name}_centred", _less(x.reach, zero.reach), f"{x.name} - {zero.name}")


def _less(x: Interval, zero: Interval) -> Interval:
    """What a difference reaches."""
    return Interval(x.lo - zero.hi, x.hi - zero.lo)


def _floats(m: Module, name: str, left: tuple[str, Format], right: tuple[str, Format], most: int) -> Signal:
    """Significands multiplied, exponents added, one shift, one sign."""
    assert isinstance(left[1], FloatFormat)
    assert isinstance(right[1], FloatFormat)
    a, b = parts(m, left[0], left[0], left[1]), parts(m, right[0], right[0], right[1])
    y = m.product(f"{name}_small", a.significand, b.significand)
    shifts = [s for s in (a.shift, b.shift) if s is not None]
    shift = m.sum(f"{name}_shift", *shifts) if len(shifts) > 1 else next(iter(shifts), None)
    y = shifted(m, f"{name}_shifted", y, shift, most)
    return negated(m, name, m.field(f"{name}_sign", 1, f"{a.sign} ^ {b.sign}"), y)
