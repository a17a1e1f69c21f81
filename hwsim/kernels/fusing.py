"""Instructions that need no pass of their own: requantization writes its narrow results where they are wanted."""

from __future__ import annotations

from . import machine
from .memory import DTYPES
from .program import Argument, Program, Register


def fuse(program: Program) -> None:
    """A result that is only stored, or only narrowed to bytes, is written so by `SCALE` itself."""
    readers: dict[Register, list[list[Argument]]] = {}
    for instruction in program.instructions:
        for a in instruction[2:] if instruction[0] not in (machine.STORE,) else instruction[1:]:
            if isinstance(a, Register):
                readers.setdefault(a, []).append(instruction)
    gone: list[list[Argument]] = []
    for instruction in program.instructions:
        made = instruction[1]
        if instruction[0] != machine.SCALE or not isinstance(made, Register):
            continue
        reads = readers.get(made, [])
        if len(reads) == 1 and _moved(instruction, reads[0], made):
            gone.append(reads[0])
    program.instructions = [i for i in program.instructions if not any(i is g for g in gone)]


def _moved(scale: list[Argument], reader: list[Argument], made: Register) -> bool:
    """Whether `scale` can write what `reader` would make of its result; then it does."""
    kinds = scale[8]
    assert isinstance(kinds, int)
    if reader[0] == machine.NARROW:
        scale[1], scale[8] = reader[1], kinds // 3 * 3
        return True
    if reader[0] == machine.STORE and made.width == made.pitch and isinstance(reader[6], int):
        size = DTYPES[min(reader[6], len(DTYPES) - 1)].itemsize
        if size > 4:
            return False
        scale[1], scale[8], scale[13] = reader[4], kinds // 3 * 3 + size.bit_length() - 1, size * made.width
        return True
    return False
