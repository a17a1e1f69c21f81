"""A requantization unit: multiplier, rounding shift(s), zero point, saturation; every integer contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.contracts import Dyadic16, OnnxFloat
from hwsim.formats import Codes, FloatFormat
from hwsim.ops import Requant
from hwsim.qtensor import QType
from hwsim.ranges import Interval, zero_points

from ..views.requant import integer_form
from .arithmetic import clipped, number, rounded
from .module import Module, Signal, constant, module_name
from .unit import EXHAUSTIVE, OneResult, Stimulus, around, check_stages, codes_of, drawn, operand

CONSTANTS = ("wired", "ports")


@dataclass(frozen=True, kw_only=True)
class RequantUnit(OneResult):
    """``y = saturate(contract(x - zero_point_x) + zero_point)``.

    Args:
        op: contract, constants, result.
        x: type of the input; where constants are per channel, port ``channel`` chooses them.
        stages: pipeline registers: 1 holds the result, 2 the product as well.
        constants: ``wired``, or ``ports`` for a unit that serves any layer: ports ``multiplier`` and ``shift`` take any
            of ``dyadic16`` up to the largest shift of `op`, whose own constants are then the stimulus.
        reach: what the input's codes really reach (`Graph.reach`); None is all of the format.
        name: of the module, any string.
    """

    op: Requant
    x: QType
    stages: int = 0
    constants: str = "wired"
    reach: Interval | None = None
    name: str = "requant"

    def __post_init__(self) -> None:
        """Raise ValueError for choices that do not exist and what the op refuses."""
        check_stages("requant unit", self.stages, 2)
        if isinstance(self.op.contract, OnnxFloat):
            raise ValueError("requant unit: onnx_float computes in float32; Verilog has dyadic16, pow2 and TFLite's")
        if self.constants not in CONSTANTS:
            raise ValueError(f"requant unit: constants {self.constants!r} are unknown: use {' or '.join(CONSTANTS)}")
        if self._ports and (not isinstance(self.op.contract, Dyadic16) or isinstance(self.x.zero_point, tuple)):
            what = f"contract {self.op.contract.name}, input zero point {self.x.zero_point}"
            raise ValueError(f"requant unit: ports carry constants of dyadic16 and no zero points a channel; {what}")
        self.op.out_type(self.x)
        self.op.reach(self._operand)

    @property
    def _ports(self) -> bool:
        return self.constants == "ports"

    @property
    def _operand(self) -> Any:
        return operand("requant unit", self.x, self.reach)

    @property
    def channels(self) -> int:
        """Sets of constants; 1 where one serves all."""
        zero = self.x.zero_point
        return max(self.op.contract.channels, len(zero) if isinstance(zero, tuple) else 1)

    @property
    def module(self) -> Module:
        """Multiply, round once or twice, place, saturate."""
        m = Module(module_name(self.name), f"y = saturate({self.op.contract.name}(x - zero_point_x) + zero_point)")
        if self.stages:
            m.clock()
        port = m.port("x", self.x.fmt.bits)
        if self._ports:
            for name, ends in self._carried.items():
                m.port(name, ends.bits - 1)
        elif self.channels > 1:
            m.port("channel", self._index)
        reach = None if isinstance(self.x.fmt, FloatFormat) else self._operand.reach
        y = self.wires(m, number(m, "x_int", port, self.x.fmt, reach))
        m.result("y", self.op.fmt.bits, m.delayed("y_kept", y) if self.stages else y)
        return m

    def wires(self, m: Module, x: Signal) -> Signal:
        """The arithmetic alone, on the integer `x`."""
        y = self._centred(m, x)
        multiplier, shifts = integer_form(self.op.contract)
        if self._ports:
            factor, *constants = (
                m.wire(f"{name}_int", reach, f"$signed({{1'b0, {name}}})") for name, reach in self._carried.items()
            )
        else:
            factor = self._each(m, "multiplier", multiplier)
            constants = [self._each(m, f"shift_{i}", s) for i, (s, _) in enumerate(shifts)]
        y = self._scaled(m, y, factor)
        if self.stages == 2:
            y = m.delayed("product_kept", y)
            constants = [s if s.fixed else m.delayed(f"{s.name}_kept", s) for s in constants]
        for i, (s, (_, rounding)) in enumerate(zip(constants, shifts, strict=True)):
            y = rounded(m, f"rounded_{i}", y, s, rounding)
        y = m.sum("placed", y, constant(self.op.zero_point)) if self.op.zero_point else y
        return clipped(m, "limited", y, self.op.limits)

    @property
    def _carried(self) -> dict[str, Interval]:
        """What ports of constants may carry; unsigned, so that a port has one bit less than its number."""
        contract = self.op.contract
        assert isinstance(contract, Dyadic16)
        most = (1 << contract.multiplier_bits) - 1
        return {"multiplier": Interval(0, most), "shift": Interval(0, (1 << max(contract.shift).bit_length()) - 1)}

    @property
    def _index(self) -> int:
        """Bits of a channel's number."""
        return max(1, (self.channels - 1).bit_length())

    def _each(self, m: Module, name: str, values: NDArray[Any]) -> Signal:
        """A constant that all channels share, or a ROM of them."""
        per_channel = np.atleast_1d(values).tolist()
        if len(set(per_channel)) == 1:
            return constant(per_channel[0])
        return m.rom(name, "channel", dict(enumerate(per_channel)), self._index)

    def _centred(self, m: Module, x: Signal) -> Signal:
        """The input less its zero point."""
        if not np.any(self.x.zero_point):
            return x
        zero, ends = self._each(m, "zero_x", np.asarray(self.x.zero_point)), zero_points(self.x)
        return m.wire("centred", Interval(x.reach.lo - ends.hi, x.reach.hi - ends.lo), f"{x.name} - {zero.name}")

    def _scaled(self, m: Module, x: Signal, multiplier: Signal) -> Signal:
        """The product; a power of two is wires."""
        lo, hi = multiplier.reach
        if lo == hi > 0 and lo & (lo - 1) == 0:
            return m.left("product", x, lo.bit_length() - 1)
        return m.product("product", x, multiplier)

    def setup(self) -> Stimulus:
        """Constants are wired."""
        return {}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """Every code of every channel; or ends, ties, saturation's edges and random codes."""
        n, reach = self.channels, None if isinstance(self.x.fmt, FloatFormat) else self._operand.reach
        if (n - 1).bit_length() + self.x.fmt.bits <= EXHAUSTIVE:
            every = codes_of(self.x.fmt, reach)
            x, channel = np.tile(every, n), np.repeat(np.arange(n), len(every))
        else:
            assert reach is not None  # float formats have 8 bits, so channels are few
            found = [self._edges(rng, reach, c, max(8, count // (2 * n))) for c in range(n)]
            channel = np.concatenate([*(np.full(len(e), c) for c, e in enumerate(found)), rng.integers(0, n, count)])
            x = np.concatenate([*found, drawn(rng, self.x.fmt, reach, count)])
        return {"x": x, **self.chosen(channel)}

    def chosen(self, channel: NDArray[np.int64]) -> Stimulus:
        """The ports that choose or carry the constants of each channel."""
        if isinstance(k := self.op.contract, Dyadic16) and self._ports:
            return {"multiplier": np.array(k.multiplier)[channel], "shift": np.array(k.shift)[channel]}
        return {"channel": channel} if self.channels > 1 else {}

    def _channel(self, codes: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Which set of constants each vector has."""
        if not self._ports:
            return codes["channel"]
        every = self.chosen(np.arange(self.channels))
        pairs = {pair: i for i, pair in enumerate(zip(*(every[p].tolist() for p in every), strict=True))}
        return np.array([pairs[pair] for pair in zip(*(codes[p].tolist() for p in every), strict=True)])

    def _edges(self, rng: np.random.Generator, reach: Interval, channel: int, count: int) -> NDArray[np.int64]:
        """Codes where the result steps from y to y + 1, ties among them, where it saturates, and the ends."""
        ratio = np.broadcast_to(self.op.contract.ratio, (self.channels,))[channel]
        zero = int(np.broadcast_to(np.asarray(self.x.zero_point), (self.channels,))[channel])
        lo, hi = self.op.limits
        steps = np.unique([lo - 1, lo, hi - 1, hi, *rng.integers(lo, hi, max(1, count // 3 - 5), endpoint=True)])
        middle = (steps - self.op.zero_point + 0.5) / max(float(ratio), 2.0**-62) + zero
        points = np.rint(np.clip(middle, reach.lo, min(reach.hi, 2.0**61))).astype(np.int64)
        ties = self._ties(rng, reach, channel, count // 3) + zero
        return around(np.concatenate([points, ties, np.array([*reach, 0, zero], np.int64)]), reach)

    def _ties(self, rng: np.random.Generator, reach: Interval, channel: int, count: int) -> NDArray[np.int64]:
        """Inputs whose product is an odd multiple of half the first divisor; rare, so they are looked for."""
        multiplier, shifts = integer_form(self.op.contract)
        m, s = (int(np.broadcast_to(v, (self.channels,))[channel]) for v in (multiplier, shifts[0][0]))
        zeros = (m & -m).bit_length() - 1
        step = 1 << max(s - 1 - zeros, 0)
        if not s or zeros >= s or step > reach.magnitude:
            return np.zeros(0, np.int64)
        most = max(reach.magnitude // (2 * step), 1)
        return (2 * rng.integers(-most, most, count) + 1) * step

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """The op's `run`; each channel's codes in its own column."""
        x = codes["x"].astype(self.x.fmt.dtype)
        if self.channels == 1:
            return {"y": self.op.run((self.x,), x[:, None])[:, 0]}
        channel, y = self._channel(codes), np.empty(x.shape, self.op.fmt.dtype)
        for c in np.unique(channel):
            rows = np.repeat(x[channel == c, None], self.channels, axis=1)
            y[channel == c] = self.op.run((self.x,), rows)[:, c]
        return {"y": y}

    def describe(self) -> tuple[str, str]:
        """Contract and rounding."""
        return self.op.contract.name, getattr(self.op.contract, "rounding", "")
