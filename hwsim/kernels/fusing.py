"""Instructions that need no pass of their own: kernels write results where, and as narrow as, they are wanted."""

from __future__ import annotations

from collections.abc import Callable

from . import machine
from .machine import FIELDS
from .memory import DTYPES
from .program import Argument, Program, Register, in_bytes


def fuse(program: Program) -> None:
    """A result that is only stored, or only narrowed to bytes, is written so at once."""
    readers: dict[Register, list[list[Argument]]] = {}
    for instruction in program.instructions:
        for a in instruction[1 if instruction[0] == machine.STORE else 2 :]:
            if isinstance(a, Register):
                readers.setdefault(a, []).append(instruction)
    gone: list[list[Argument]] = []
    for instruction in program.instructions:
        instruction += [0] * (FIELDS - len(instruction))
        number, made = instruction[:2]
        reads = readers.get(made, []) if isinstance(made, Register) else []
        assert isinstance(number, int)
        if len(reads) == 1 and _MOVED.get(number, _stays)(instruction, reads[0]):
            gone.append(reads[0])
    program.instructions = [i for i in program.instructions if not any(i is g for g in gone)]


def _stays(instruction: list[Argument], reader: list[Argument]) -> bool:
    return False


def _narrowed(target: int, step: int) -> Callable[[list[Argument], list[Argument]], bool]:
    """For kernels that write 8, 16 or 32 bits, as field `target` says, and go on by field `step` from row to row."""

    def moved(made: list[Argument], reader: list[Argument]) -> bool:
        if reader[0] == machine.LOOK_UP_SMALL:
            assert isinstance(made[1], Register)
            made[1] = reader[2] = in_bytes(made[1])
            made[target] = reader[7] = 0
            return False
        if reader[0] == machine.NARROW:
            made[1], made[target] = reader[1], 0
            return True
        size = _stored(reader)
        if size in (1, 2, 4):
            made[1], made[target], made[step] = reader[4], size.bit_length() - 1, size * _width(reader)
            return True
        return False

    return moved


def _summed(product: list[Argument], reader: list[Argument]) -> bool:
    """The same for a product: its accumulators are what is wanted."""
    if _stored(reader) != 4:
        return False
    product[1], product[11] = reader[4], 4 * _width(reader)
    return True


def _stored(reader: list[Argument]) -> int:
    """Bytes of a number that `reader` stores, row after row without gaps; 0 where it does anything else."""
    if reader[0] != machine.STORE or reader[2] != reader[3] or not isinstance(reader[6], int):
        return 0
    return DTYPES[reader[6]].itemsize if reader[6] < len(DTYPES) else 0


def _width(reader: list[Argument]) -> int:
    assert isinstance(reader[2], int)
    return reader[2]


_MOVED = {
    machine.SCALE: _narrowed(8, 13),
    machine.SHIFT_SHORT: _narrowed(9, 10),
    machine.LOOK_UP_SMALL: _narrowed(8, 9),
    machine.PRODUCT: _summed,
}
