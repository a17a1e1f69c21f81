"""Writes one stage: nodes whose rows go through the machine together; `hwsim.kernels.rules` has the rules of ops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..formats import FloatFormat
from ..graph import Graph, Value
from ..qtensor import QTensor
from ..ranges import Interval
from . import machine
from .arrays import Kind, Result, Rows
from .memory import DTYPES, LONG
from .program import Access, Argument, Program, Register, pitch

WORD = Interval(-(1 << 31), (1 << 31) - 1)
BYTE = Interval(-128, 127)
UNSIGNED_BYTE = Interval(0, 255)


class Unfit(Exception):  # noqa: N818  (no error: such a node runs on its own)
    """A node that the machine does not compute."""


def lead(value: Value) -> tuple[int, ...]:
    """Sizes before the last axis, less the batch."""
    return value.type.sample_shape[:-1]


def width(value: Value) -> int:
    """Size of the last axis."""
    return int(value.type.sample_shape[-1])


def rows(value: Value) -> int:
    """Rows of one sample."""
    return prod(lead(value))


def ordered(w: Writer, a: Value, b: Value, out: Value) -> tuple[Value, Value]:
    """The two operands of `out`, first the one that has all rows and columns and is computed."""
    full = [v for v in (a, b) if v.name not in w.constants and width(v) == width(out)]
    if not full:
        raise Unfit(f"{out.name}: a row against a column")
    return (a, b) if full[0] is a else (b, a)


class Unwritten(Protocol):
    """How a value is made by whoever reads it first."""

    def write(self, w: Writer, value: Value) -> None:
        """The instructions that make `value`."""


@dataclass
class Writer:
    """A program being written for nodes of `graph`; `constants` are its constants and what was computed of them.

    `registers` holds values as integers of their codes; `integers` float formats on their grid, `bytes` operands of
    products, `loaded` what was read from an array with a row for each of these rows, `unwritten` what is
    not written before it is read: see `hwsim.kernels.compositions` and `hwsim.kernels.merging`.
    """

    graph: Graph
    constants: dict[str, QTensor]
    program: Program = field(default_factory=Program)
    registers: dict[str, Register] = field(default_factory=dict)
    integers: dict[str, Register] = field(default_factory=dict)
    bytes: dict[str, Register] = field(default_factory=dict)
    unwritten: dict[str, Unwritten] = field(default_factory=dict)
    loaded: dict[tuple[str, tuple[int, ...]], Register] = field(default_factory=dict)

    def emit(self, number: int, *arguments: Argument) -> None:
        """One more instruction."""
        self.program.emit(number, *arguments)

    def reach(self, value: Value) -> Interval:
        """What the value's codes, or numbers of a grid, can be."""
        return self.graph.reach[value.name]

    def new(self, value: Value, *, long: bool = False) -> Register:
        """A register for a result."""
        if not long and not self.reach(value).inside(WORD):
            raise Unfit(f"{value.name}: {self.reach(value)} in 32 bits")
        if value.type.fmt.dtype not in DTYPES:
            raise Unfit(f"{value.name}: {value.type.fmt.dtype}")
        if long and width(value) != 1:
            raise Unfit(f"{value.name}: rows of 64 bits")
        made = self.registers[value.name] = Register(width(value), long)
        return made

    def holds(self, value: Value) -> bool:
        """Whether the value is computed here, so that no array has it."""
        return value.name in self.registers or value.name in self.unwritten

    def register(self, value: Value, like: Value) -> Register:
        """Codes of `value`, a row for each row of `like`: as computed, or loaded."""
        if value.name in self.unwritten and value.name not in self.registers:
            self.unwritten[value.name].write(self, value)
        if value.name in self.registers:
            return self.registers[value.name]
        if (value.name, lead(like)) in self.loaded:
            return self.loaded[value.name, lead(like)]
        if not value.type.sample_shape:
            raise Unfit(f"{value.name}: no rows")
        dtype = value.type.fmt.dtype
        if dtype not in DTYPES:
            raise Unfit(f"{value.name}: {dtype}")
        container, long = DTYPES.index(dtype), not self.reach(value).inside(WORD)
        if long:
            container = LONG
            if width(value) != 1:
                raise Unfit(f"{value.name}: rows of 64 bits")
        made = Register(width(value), long)
        base, offsets, dense = self.access(Rows(value=value.name, lead=lead(like)), "base", "offsets", "dense")
        self.emit(machine.LOAD, made, width(value), made.pitch, base, offsets, container, dense)
        if lead(value) == lead(like):
            self.registers[value.name] = made
        else:
            self.loaded[value.name, lead(like)] = made
        return made

    def addresses(self, value: Value, like: Value, whole: int) -> Register:
        """Addresses of rows of bytes, a row for each row of `like`, that are read up to a multiple of `whole`."""
        made = Register(1, long=True)
        rows_ = Rows(value=value.name, lead=lead(like), bytes_past=width(value) % whole != 0)
        self.emit(machine.ADDRESSES, made, *self.access(rows_, "base", "offsets"))
        return made

    def access(self, kind: Kind, *what: str) -> Iterable[Access]:
        """Numbers of an array of the outside."""
        array = self.program.array(kind)
        return [Access(array, w) for w in what]

    def word(self, value: Value, like: Value) -> Register:
        """`register` of 32 bits; Unfit for float formats, whose codes are no numbers."""
        if isinstance(value.type.fmt, FloatFormat):
            raise Unfit(f"{value.name}: {value.type.fmt.name}")
        made = self.register(value, like)
        if made.long:
            raise Unfit(f"{value.name}: 64 bits")
        return made

    def second(self, value: Value, out: Value) -> tuple[Argument, int, int]:
        """A second operand: where it is, whether it is one number a row, its step from row to row in words."""
        constant = self.constants.get(value.name)
        if constant is not None and constant.codes.size == 1:
            return self.numbers(constant.codes.reshape(-1), 1), 1, 0
        if constant is not None and prod(constant.codes.shape[:-1]) == 1:
            return self.numbers(constant.codes.reshape(-1), pitch(width(out))), 0, 0
        made = self.register(value, out)
        if made.long:
            raise Unfit(f"{value.name}: 64 bits")
        if made.width == 1:
            return made, 1, 1
        return made, 0, made.pitch

    def numbers(self, values: ArrayLike, length: int, dtype: Any = np.int32) -> NDArray[Any]:
        """A constant of the code, filled up with its last number."""
        given = np.asarray(values)
        if given.dtype.kind in "iu" and given.size and not _inside(given, dtype):
            raise Unfit(f"constants outside {dtype}")
        return np.ascontiguousarray(np.pad(given.astype(dtype), (0, length - given.size), mode="edge"))

    def store(self, value: Value) -> None:
        """The value leaves its register for an array."""
        made, dtype = self.register(value, value), value.type.fmt.dtype
        container = LONG if made.long else DTYPES.index(dtype)
        base, offsets = self.access(Result(value=value.name), "base", "offsets")
        self.emit(machine.STORE, made, made.width, made.pitch, base, offsets, container)


def _inside(x: NDArray[Any], dtype: Any) -> bool:
    ends = np.iinfo(dtype)
    return bool(ends.min <= int(x.min()) and int(x.max()) <= ends.max)
