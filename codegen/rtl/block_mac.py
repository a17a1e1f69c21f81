"""A multiply-accumulate unit for block formats: an exact dot product a block, its scales, one rounding, one sum.

A scale is a significand times a power of two: E8M0 has the power alone, an integer the significand alone, a float both.
So a block takes small multiplications and one barrel shifter, which brings it to the accumulator's lsb.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.blockformats import BIAS, BlockFormat
from hwsim.formats import E8M0, INT32, Codes, FloatFormat, Format, IntFormat
from hwsim.ops import BlockMatMul
from hwsim.ops.block_matmul import Bound
from hwsim.ops.datapath import Datapath
from hwsim.qtensor import QType
from hwsim.ranges import Interval, Operand, format_interval

from . import block_stimulus
from .arithmetic import clipped, negated, number, parts, rounded, shifted
from .mac import LANES, WIDEST, limited, product
from .module import Clocked, Module, Signal, constant, module_name
from .unit import Stimulus, check_stages

FAR = 62  # the largest shift of the op


@dataclass(frozen=True, kw_only=True)
class BlockMacUnit:
    """``acc = limit((first ? 0 : acc) + round(dot * scales / 2**lsb_exp))`` at the last step of each block.

    A block takes ``block // lanes`` steps. Port ``first`` is 1 at the first step of a result, ``last`` (where a block
    takes more steps than one) at the last of a block, when the scales are read; zero points stand at all its steps.
    ``y`` is the sum of the blocks that are complete.

    Args:
        op: block, accumulator, exponents, rounding, datapath; ``tree`` of a saturating one is 1.
        a, b: formats of the elements, whose ports carry `lanes` codes, lane 0 in the low bits.
        scale_b, scale_a: formats of the scales; `scale_a` is None where `a` has none.
        zeros: format of the zero points of b's blocks, or None; `b` is an integer format then.
        zero_a: zero point of `a`.
        lanes: products a cycle; they divide the block.
        stages: pipeline registers: 1 holds dot product and scales, 2 the operands as well.
        exponents: codes that the ports of E8M0 scales really carry, b's first; () is all of the format.
        name: of the module, any string.
    """

    op: BlockMatMul
    a: Format
    b: Format
    scale_b: Format = E8M0
    scale_a: Format | None = None
    zeros: IntFormat | None = None
    zero_a: int = 0
    lanes: int = 1
    stages: int = 0
    exponents: tuple[Interval, ...] = ()
    name: str = "block_mac"

    @classmethod
    def of(
        cls, a: BlockFormat | Format, b: BlockFormat, *, acc: IntFormat = INT32, lsb_exp: int = 0, max_exp: int = 0,
        rounding: str = "half_even", datapath: Datapath | None = None, **choices: Any,
    ) -> BlockMacUnit:  # fmt: skip
        """The unit for two block formats, or for plain elements and a block format; other fields by name."""
        left = a if isinstance(a, BlockFormat) else None
        if left and (left.zero or left.block != b.block):
            raise ValueError(f"block mac unit: {left.name} beside {b.name}: the first has no zero points, blocks agree")
        op = BlockMatMul(
            block=b.block, acc=acc, lsb_exp=lsb_exp, max_exp=max_exp, rounding=rounding, left=left is not None,
            zeros=b.zero is not None, datapath=datapath or Datapath(overflow="saturate"),
        )  # fmt: skip
        element, scale = (left.element, left.scale) if left else (a, None)
        assert not isinstance(element, BlockFormat)
        return cls(op=op, a=element, b=b.element, scale_b=b.scale, scale_a=scale, zeros=b.zero, **choices)

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist or do not fit each other, and what the op refuses."""
        what, op = "block mac unit", self.op
        check_stages(what, self.stages, 2)
        if not isinstance(op.datapath, Datapath):
            raise ValueError(f"{what}: blocks that are added in float32 have no Verilog; use an integer accumulator")
        if type(self.lanes) is not int or not 1 <= self.lanes <= LANES or op.block % self.lanes:
            raise ValueError(f"{what}: lanes {self.lanes!r} must be 1..{LANES} and divide the block of {op.block}")
        if wide := [f.name for f in (self.a, self.b) if f.bits > WIDEST]:
            raise ValueError(f"{what}: operand {wide[0]} has more than {WIDEST} bits")
        if (op.left, op.zeros) != (self.scale_a is not None, self.zeros is not None):
            raise ValueError(f"{what}: the op has left={op.left} and zeros={op.zeros}; give scale_a, zeros so")
        if self.zeros and isinstance(self.b, FloatFormat):
            raise ValueError(f"{what}: zero points of {self.b.name} blocks; only integers have them")
        if op.path.overflow == "saturate" and op.path.tree != 1:
            raise ValueError(f"{what}: a saturating accumulator takes {op.path.tree} blocks a step (tree), not one")
        if self.exponents and [s.fmt for s in self.scales.values()].count(E8M0) != len(self.exponents):
            raise ValueError(f"{what}: {len(self.exponents)} ranges of exponents; give each e8m0 scale one, or none")
        op.out_type(*self.types(op.block))
        if op.path.overflow == "refuse" and not self.bound.term.inside(op.path.limits(op.acc)):
            ends = f"{self.bound.term.lo}..{self.bound.term.hi}"
            raise ValueError(f"{what}: a block may reach {ends}, outside {op.acc.name}; widen it, or saturate or wrap")
        _ = self.bound

    def types(self, k: int) -> tuple[QType, ...]:
        """Types of the op's inputs for one row, one column and `k` products."""
        groups, scales = self.op.blocks(k), list(self.scales.values())
        left = [QType((1, groups), s.fmt, 1.0, s.zero_point) for s in scales[1:]]
        right = QType((groups, 1), scales[0].fmt, 1.0, scales[0].zero_point)
        zeros = [QType((groups, 1), self.zeros)] if self.zeros else []
        return QType((1, k), self.a, 1.0, self.zero_a), QType((k, 1), self.b), right, *left, *zeros

    @property
    def scales(self) -> dict[str, QType]:
        """Type of one scale by its port."""
        formats = {"scale_b": self.scale_b, "scale_a": self.scale_a}
        return {p: QType((), f, 1.0, BIAS if f == E8M0 else 0) for p, f in formats.items() if f}

    @cached_property
    def reaches(self) -> dict[str, Interval | None]:
        """Codes of exponents by port; None of other scales, which may be anything."""
        given = iter(self.exponents or (format_interval(E8M0),) * 2)
        return {p: next(given) if t.fmt == E8M0 else None for p, t in self.scales.items()}

    @cached_property
    def bound(self) -> Bound:
        """What one block may reach; the op refuses what passes int64."""
        reaches = [format_interval(self.a), format_interval(self.b)]
        reaches += [self.reaches[p] or format_interval(t.fmt) for p, t in self.scales.items()]
        reaches += [format_interval(self.zeros)] if self.zeros else []
        return self.op.bound(*map(Operand, self.types(self.op.block), reaches))

    @property
    def steps(self) -> int:
        """Cycles of a block."""
        return self.op.block // self.lanes

    @property
    def latency(self) -> int:
        """The accumulator's edge, and those of the stages."""
        return 1 + self.stages

    @property
    def results(self) -> dict[str, Format]:
        """The accumulator's."""
        return {"y": self.op.acc}

    @property
    def module(self) -> Module:
        """Multiply, cut, add up a block; scale, round, add, limit."""
        m = Module(module_name(self.name), "at `last`: acc = limit((first ? 0 : acc) + round(dot * scales)), y = acc")
        m.clock()
        p = {"first": m.port("first", None)}
        if self.steps > 1:
            p["last"] = m.port("last", None)
        wide = {"a": self.a.bits * self.lanes, "b": self.b.bits * self.lanes}
        wide |= {port: t.fmt.bits for port, t in self.scales.items()}
        wide |= {"zero_b": self.zeros.bits} if self.zeros else {}
        p |= {port: m.port(port, bits) for port, bits in wide.items()}
        if self.stages == 2:
            p = {port: m.kept(f"{port}_kept", text, wide.get(port, 1)) for port, text in p.items()}
        dot = self._dot(m, p)
        if self.stages:
            later = ("first", "last", *self.scales)
            p = {port: m.kept(f"{port}_later", p[port], wide.get(port, 1)) for port in later if port in p}
        m.result("y", self.op.acc.bits, self._accumulator(m, p, self._scaled(m, dot, p)))
        return m

    def _dot(self, m: Module, p: Mapping[str, str]) -> Signal:
        """The block's products so far; of a block that takes more steps than one, from a register."""
        zero_b = number(m, "zero_b_int", p["zero_b"], self.zeros) if self.zeros else constant(0)
        terms = []
        for lane in range(self.lanes):
            bits = [
                (m.field(f"{port}_{lane}", f.bits, f"{p[port]}[{(lane + 1) * f.bits - 1}:{lane * f.bits}]"), f)
                for port, f in (("a", self.a), ("b", self.b))
            ]
            y = product(m, f"p_{lane}", bits[0], bits[1], (constant(self.zero_a), zero_b))
            terms.append(rounded(m, f"cut_{lane}", y, constant(self.op.path.drop), self.op.path.rounding))
        if self.steps == 1:
            total = m.sum("dot_sum", *terms) if len(terms) > 1 else terms[0]
            return m.delayed("dot", total) if self.stages else total
        dot, ended = m.register("dot", self.bound.dot), m.kept("ended", p["last"], 1)
        fresh = m.field("fresh", 1, f"{p['first']} | {ended}")
        base = m.wire("dot_base", self.bound.dot, f"{fresh} ? {constant(0).name} : {dot.name}")
        names = " + ".join(t.name for t in (base, *terms))
        total = m.wire("dot_next", self.bound.dot, names)  # Why no wider: so many products make a block
        m.clocked.append(Clocked(dot.name, total.name))
        return dot if self.stages else total

    def _scaled(self, m: Module, dot: Signal, p: Mapping[str, str]) -> Signal:
        """``round(dot * factors * 2**(min(exponent, max_exp) - lsb_exp))``: a shift to the left, then a constant one.

        What the accumulator's lsb leaves below it is kept up to where no block can round to anything but its sign.
        """
        significand, shifts, exponents, most = constant(1), [], [], dot.reach.magnitude
        for port, t in self.scales.items():
            if t.fmt == E8M0:
                exponents.append(number(m, f"{port}_int", p[port], t.fmt, self.reaches[port]))
                continue
            most *= format_interval(t.fmt).magnitude
            if isinstance(t.fmt, FloatFormat):
                f = parts(m, port, p[port], t.fmt)
                factor = negated(m, f"{port}_factor", f.sign, f.significand)
                shifts += [f.shift] if f.shift else []
            else:
                factor = number(m, f"{port}_int", p[port], t.fmt)
            significand = m.product("factors", factor, significand)
        y = m.product("multiplied", dot, significand)
        down = max(self.op.lsb_exp, 0)
        if exponents:
            down, amount = self._raised(m, exponents, most.bit_length() + 1)
            shifts.append(amount)
        else:
            y, most = m.left("raised", y, max(-self.op.lsb_exp, 0)), most << max(-self.op.lsb_exp, 0)
        if shifts:
            shift = m.sum("shift", *shifts) if len(shifts) > 1 else shifts[0]
            y = shifted(m, "placed", y, shift, most << (shifts[-1].reach.hi if exponents else 0))
        return rounded(m, "term", y, constant(down), self.op.rounding)

    def _raised(self, m: Module, codes: list[Signal], enough: int) -> tuple[int, Signal]:
        """The constant right shift, and by how many bits more than that an exponent shifts to the left.

        Args:
            m: module under construction.
            codes: E8M0 codes of both sides.
            enough: bits by which a block may be shifted right until nothing but its sign is left.
        """
        total, bias = m.sum("exponent", *codes) if len(codes) > 1 else codes[0], BIAS * len(codes)
        lsb, reach = self.op.lsb_exp, total.reach.shifted(-bias)
        down = max(0, min(FAR, enough, lsb - reach.lo))
        most = max(0, min(reach.hi, self.op.max_exp) - lsb + down)
        raw = m.sum("raise", total, constant(down - lsb - bias))
        return down, clipped(m, "amount", raw, Interval(0, most))

    def _accumulator(self, m: Module, p: Mapping[str, str], term: Signal) -> Signal:
        """The register of sums."""
        acc, path = m.register("acc", format_interval(self.op.acc)), self.op.path
        base = m.wire("base", acc.reach.union(Interval(0, 0)), f"{p['first']} ? {constant(0).name} : {acc.name}")
        y = limited(m, m.sum("next", base, term), self.op.acc, path)
        text = f"{p['last']} ? {y.name} : {base.name}" if self.steps > 1 else y.name
        m.clocked.append(Clocked(acc.name, text))
        return acc

    def setup(self) -> Stimulus:
        """Nothing to load."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Results of several blocks over at least `count` cycles, see `block_stimulus`."""
        return block_stimulus.stimulus(self, rng, count)

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The op's `run` of all complete blocks, at every cycle."""
        return {"y": block_stimulus.expected(self, codes)}

    def describe(self) -> tuple[str, str]:
        """The accumulator's behaviour, and how blocks are rounded."""
        return self.op.path.overflow, self.op.rounding
