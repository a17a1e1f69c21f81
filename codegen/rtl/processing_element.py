"""One processing element of an output-stationary array: a multiply-accumulate unit that passes on what it reads.

What `SystolicTile` consists of, and what it costs: rows times columns of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import UINT1, Codes, Format

from .mac import MacUnit
from .module import Clocked, Line, Module, constant, module_name
from .unit import Stimulus, drawn


@dataclass(frozen=True, kw_only=True)
class ProcessingElement:
    """``acc = limit((first ? 0 : acc) + cut(a * b))``; a finished sum moves to ``y``, and down the column from there.

    Where ``first`` starts a sum, ``y`` takes the one before it. From ``move`` to the next ``first``, ``y`` takes
    ``above`` each cycle. What comes in at ``a``, ``b`` and ``first`` leaves one edge later.

    Args:
        mac: formats, accumulator and datapath; one lane, no bias, no stage of its own.
        name: of the module, any string.
    """

    mac: MacUnit
    name: str = "pe"

    def __post_init__(self) -> None:
        """Raise ValueError for a unit that has more than an element computes."""
        for what, value, wanted in (
            ("lanes", self.mac.lanes, 1), ("stages", self.mac.stages, 0), ("bias", self.mac.bias, False)
        ):  # fmt: skip
            if value != wanted:
                raise ValueError(f"processing element: {what} {value!r} of its mac unit must be {wanted}")

    @property
    def latency(self) -> int:
        """Every output is a register."""
        return 1

    @property
    def results(self) -> dict[str, Format]:
        """The sum in the column, and what is passed on."""
        return {"a_next": self.mac.a, "b_next": self.mac.b, "first_next": UINT1, "y": self.mac.acc}

    @property
    def module(self) -> Module:
        """The unit's accumulator, pass-through registers, a register of results."""
        m = Module(module_name(self.name), "acc = (first ? 0 : acc) + a * b; y = first ? last acc : move ? above : y")
        m.clock()
        bits = {"a": self.mac.a.bits, "b": self.mac.b.bits, "first": 1}
        a, b, first = m.port("a", bits["a"]), m.port("b", bits["b"]), m.port("first", None)
        move, above = m.port("move", None), m.port("above", self.mac.acc.bits)
        acc = self.mac.accumulator(m, first, a, b, constant(0))
        for name, source in (("a", a), ("b", b), ("first", first)):
            kept = m.kept(f"{name}_kept", source, bits[name])
            m.port(f"{name}_next", None if name == "first" else bits[name], output=True)
            m.outputs.append((f"{name}_next", kept))
        moving = m.kept("moving", f"!{first} && ({move} || moving)", 1)
        m.lines.append(Line("reg", "result", self.mac.acc.bits, signed=False))
        # Why this order: of two assignments the later one counts, and a new sum comes before what is above.
        m.clocked += [Clocked("result", above, f"{move} || {moving}"), Clocked("result", acc.name, first)]
        m.port("y", self.mac.acc.bits, output=True)
        m.outputs.append(("y", "result"))
        return m

    def setup(self) -> Stimulus:
        """Two sums of one product, so that every register is known."""
        zeros = np.zeros(2, np.int64)
        return {"first": zeros + 1, "move": zeros, "a": zeros, "b": zeros, "above": zeros}

    def stimulus(self, rng: np.random.Generator, count: int) -> Stimulus:
        """The sums of the unit; each moves on after a drawn number of cycles, while drawn codes come from above."""
        codes = self.mac.stimulus(rng, count)
        begins = np.flatnonzero(codes["first"])
        room = np.diff([*begins, len(codes["first"])]) - 1
        move = np.zeros(len(codes["first"]), np.int64)
        move[begins[room > 0] + 1 + rng.integers(0, room[room > 0])] = 1
        operands = {"a": codes["a"][:, 0], "b": codes["b"][:, 0]}
        return {"first": codes["first"], "move": move, **operands, "above": drawn(rng, self.mac.acc, None, len(move))}

    def in_array(self, a: Codes, b: Codes, *, steps: int, rows: int) -> Stimulus:
        """What an element in the middle row of an array sees, for its power.

        Each sequence begins with a sum of one step, so it needs no sequence before it; they follow each other.

        Args:
            a: codes [sequences, cycles].
            b: codes [sequences, cycles].
            steps: of a sum, at least `rows`.
            rows: of the array. Sums that come from above are those of the next sequences, then 0.

        Raises:
            ValueError: sums shorter than the array is high.
        """
        if steps < rows:
            raise ValueError(
                f"processing element: sums of {steps} steps; an array of {rows} rows takes {rows} at least"
            )
        lanes, cycles = a.shape
        row, at = rows // 2, np.arange(cycles)
        since = np.where(at > 0, (at - 1) % steps, 0)
        first = np.broadcast_to(since == 0, a.shape).astype(np.int64)
        ins = {"first": first.reshape(-1), "a": a.reshape(-1, 1), "b": b.reshape(-1, 1)}
        ended = np.roll(self.mac.expected(ins)["y"].reshape(a.shape), 1, axis=1)[:, at - since]
        passing = since - (rows - row)  # which sum comes from above
        lane = (np.arange(lanes)[:, None] + 1 + passing) % lanes
        above = np.where((passing >= 0) & (passing < row), ended[lane, at], 0)
        move = np.broadcast_to(passing == 0, a.shape).astype(np.int64)
        codes = {"first": first, "move": move, "a": a, "b": b, "above": above}
        return {port: c.reshape(-1) for port, c in codes.items()}

    def expected(self, codes: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
        """Sums by the op's `run`; which of them stands in ``y``, cycle by cycle."""
        before = self.setup()
        whole = {port: np.concatenate([before[port], codes[port]]) for port in codes}
        ins = {"first": whole["first"], "a": whole["a"][:, None], "b": whole["b"][:, None]}
        sums = self.mac.expected(ins)["y"]
        y, moving = np.zeros(len(sums), self.mac.acc.dtype), False
        for i in range(1, len(sums)):
            moving = not whole["first"][i] and bool(whole["move"][i] or moving)
            y[i] = sums[i - 1] if whole["first"][i] else whole["above"][i] if moving else y[i - 1]
        passed = {"a_next": codes["a"], "b_next": codes["b"], "first_next": codes["first"]}
        return {**{port: c.astype(self.results[port].dtype) for port, c in passed.items()}, "y": y[len(before["a"]) :]}

    def describe(self) -> tuple[str, str]:
        """The accumulator's behaviour, and how products are cut."""
        return self.mac.describe()
