"""A program of the machine: written with registers by name and open addresses, then placed in one scratch memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..rounding import Ints
from .machine import FIELDS, IN_PLACE, WORDS

CACHE = 96 * 1024
"""Bytes of registers that a block of rows fills at most: most of a core's second cache is left to weights."""
MOST_ROWS = 960
LEAST_ROWS = 24


@dataclass(frozen=True, eq=False)
class Register:
    """Room for one value of each row of a block.

    Args:
        width: numbers in a row.
        long: whether they are of 64 bits.
        fixed: bytes for the whole block, kept from block to block; 0 where every row has its own.
        of: for addresses, the register that they point into: it lives as long as they do.
    """

    width: int
    long: bool = False
    fixed: int = 0
    of: Register | None = None

    @property
    def pitch(self) -> int:
        """Numbers from one row to the next."""
        return pitch(self.width)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row, a multiple of 8."""
        return (self.pitch * (8 if self.long else 4) + 7) & ~7


def pitch(width: int) -> int:
    """Numbers from row to row: whole vectors, one alone."""
    return 1 if width == 1 else (width + 15) & ~15


def in_bytes(register: Register) -> Register:
    """Room for its numbers as bytes, row after row without gaps. Why of words: so are all, and 16 bytes are 4."""
    return Register(max(register.pitch // 4, 2))


@dataclass(frozen=True, eq=False)
class Access:
    """Something of an array that is known when the array is: an address, a table of offsets, a step.

    Args:
        array: which of the program's arrays.
        what: ``base``, ``offsets``, ``dense``, ``k_step`` or ``n_step``.
    """

    array: int
    what: str


Argument = int | Register | Access | NDArray[Any] | Callable[[], NDArray[Any]]
"""An array is a constant, and so is what a function makes: not before it is needed, for rules are also only tried."""


@dataclass
class Program:
    """Instructions: a number, the register that is written (or None), arguments.

    `arrays` says of each array of the outside what `hwsim.kernels.arrays` must do with it.
    """

    instructions: list[list[Argument]] = field(default_factory=list)
    arrays: list[Any] = field(default_factory=list)
    group: int = 0

    def emit(self, number: int, *arguments: Argument) -> None:
        """One more instruction."""
        self.instructions.append([number, *arguments])

    def array(self, kind: Any) -> int:
        """Number of an array of the outside; the same kind is one array."""
        if kind not in self.arrays:
            self.arrays.append(kind)
        return self.arrays.index(kind)

    def placed(self) -> Placed:
        """Registers get their places; `group` decides how many rows a block has."""
        _, row_bytes = _places(self.instructions, lambda r: r.row_bytes)
        block = _block(row_bytes, self.group)
        slots = max(block // self.group, 1) if self.group else 1
        places, end = _places(self.instructions, lambda r: _lines(r.row_bytes * block))
        for r in _registers(self.instructions):
            if r.fixed:
                places[r] = end
                end += _lines(r.fixed * slots)
        made = Placed(np.zeros((len(self.instructions), FIELDS), np.int64), tuple(self.arrays), block, self.group, end)
        for i, instruction in enumerate(self.instructions):
            for j, a in enumerate(instruction):
                made.put(i, j, a, places[a] if isinstance(a, Register) else 0)
        return made


@dataclass(frozen=True, eq=False)
class Placed:
    """Code whose `scratch` fields are offsets into memory of `size` bytes and whose `outside` fields are still 0.

    Fields are places in the flat code. `constants` keeps alive what the code points at.
    """

    code: Ints
    arrays: tuple[Any, ...]
    block: int
    group: int
    size: int
    scratch: list[int] = field(default_factory=list)
    outside: list[tuple[int, Access]] = field(default_factory=list)
    constants: list[NDArray[Any]] = field(default_factory=list)

    def put(self, i: int, j: int, argument: Argument, place: int) -> None:
        """Argument `j` of instruction `i`; `place` of a register."""
        at = i * FIELDS + j
        if isinstance(argument, Register):
            self.code[i, j] = place
            self.scratch.append(at)
        elif isinstance(argument, Access):
            self.outside.append((at, argument))
        elif isinstance(argument, np.ndarray) or callable(argument):
            argument = argument() if callable(argument) else argument
            self.constants.append(argument)
            self.code[i, j] = argument.ctypes.data
        else:
            self.code[i, j] = argument

    def at(self, address: int) -> Ints:
        """The code with its registers in memory at `address`."""
        code = self.code.copy()
        code.reshape(-1)[self.scratch] += address
        return code


def _registers(instructions: Sequence[Sequence[Argument]]) -> list[Register]:
    """All registers, by first use."""
    return list(dict.fromkeys(a for i in instructions for a in i if isinstance(a, Register)))


def _lines(size: int) -> int:
    """Whole cache lines: a vector that lies across two is read and written at half the speed."""
    return (size + 63) & ~63


def _places(
    instructions: Sequence[Sequence[Argument]], size: Callable[[Register], int]
) -> tuple[dict[Register, int], int]:
    """Offset of each register, of `size` bytes, and how many bytes all take; what is dead makes room."""
    first: dict[Register, int] = {}
    last: dict[Register, int] = {}
    for i, instruction in enumerate(instructions):
        for a in instruction:
            for r in (a, a.of) if isinstance(a, Register) and not a.fixed else ():
                if r is not None:
                    first.setdefault(r, i)
                    last[r] = i
    places: dict[Register, int] = {}
    for r, start in first.items():
        same = [o for o in places if last[o] == start and _in_place(instructions[start], r, o)]
        if same:
            places[r] = places[same[0]]
            continue
        taken = sorted((places[o], places[o] + size(o)) for o in places if first[o] <= last[r] and last[o] >= start)
        at = 0
        for lo, hi in taken:
            if at + size(r) <= lo:
                break
            at = max(at, hi)
        places[r] = at
    return places, max((places[r] + size(r) for r in places), default=8)


def _in_place(instruction: Sequence[Argument], made: Register, operand: Register) -> bool:
    """Whether `made` may be written over `operand`, number by number: what is read and written at once stays near."""
    number, result, *given = instruction
    assert isinstance(number, int)
    if number not in IN_PLACE or result is not made or made.pitch == 1 or not any(a is operand for a in given):
        return False
    alike = (operand.pitch, operand.long, operand.fixed) == (made.pitch, made.long, made.fixed)
    return alike and all(instruction[field] == WORDS for field in IN_PLACE[number])


def _block(row_bytes: int, group: int) -> int:
    """Rows at a time."""
    rows = max(min(CACHE // row_bytes, MOST_ROWS), LEAST_ROWS)
    rows -= rows % 12
    return rows // group * group if group and group <= rows else rows
