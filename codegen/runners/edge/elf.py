"""Read an ELF file of 32 or 64 bits, little-endian: segments, sections and symbols."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ALLOC, WRITE, NOBITS, SYMTAB, FUNCTION = 2, 1, 8, 2, 2


@dataclass(frozen=True)
class Section:
    """One section's header: where it is in memory and in the file."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True)
class Symbol:
    """One name; `section` 0 is undefined. Bit 0 of a Thumb function's address is cleared."""

    name: str
    address: int
    size: int
    kind: int
    section: int


@dataclass(frozen=True)
class Elf:
    """What is in the file.

    Args:
        wide: 64 bits.
        segments: (address, content), what a loader writes; zeros are left out.
    """

    wide: bool
    segments: tuple[tuple[int, bytes], ...]
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    def size(self) -> tuple[int, int, int]:
        """Bytes of text (code and constants), data and bss, as binutils' ``size`` counts them."""
        live = [s for s in self.sections if s.flags & ALLOC]
        bss = sum(s.size for s in live if s.kind == NOBITS)
        data = sum(s.size for s in live if s.flags & WRITE and s.kind != NOBITS)
        return sum(s.size for s in live) - bss - data, data, bss

    def address(self, name: str) -> int:
        """Address of a symbol; ValueError where there is none."""
        for s in self.symbols:
            if s.name == name and s.section:
                return s.address
        raise ValueError(f"symbol {name!r} is not in the image")

    def where(self, address: int) -> str:
        """`` at 0x.. in function``."""
        before = [f.name for f in self.functions() if f.address <= address]
        return f" at {address:#x} in {before[-1] if before else 'no function'}"

    def functions(self) -> list[Symbol]:
        """Functions by address, each address once."""
        found = {s.address: s for s in self.symbols if s.kind == FUNCTION and s.section}
        return [found[a] for a in sorted(found)]


def read_elf(path: Path) -> Elf:
    """The file at `path`; ValueError if it is no little-endian ELF."""
    b = path.read_bytes()
    if b[:4] != b"\x7fELF" or b[5] != 1:
        raise ValueError(f"{path.name} is no little-endian ELF file")
    wide = b[4] == 2
    at_programs, at_sections = struct.unpack_from("<QQ" if wide else "<II", b, 32 if wide else 28)
    _, programs, _, count, names = struct.unpack_from("<5H", b, 54 if wide else 42)
    segments = tuple(_segments(b, at_programs, programs, wide=wide))
    sections = _sections(b, at_sections, count, names, wide=wide)
    thumb = struct.unpack_from("<H", b, 18)[0] == 40
    return Elf(wide, segments, sections, tuple(_symbols(b, sections, wide=wide, thumb=thumb)))


def _segments(b: bytes, start: int, count: int, *, wide: bool) -> Iterator[tuple[int, bytes]]:
    for i in range(count):
        if wide:
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", b, start + 56 * i)
        else:
            kind, offset, address, _, size = struct.unpack_from("<5I", b, start + 32 * i)
        if kind == 1 and size:
            yield address, b[offset : offset + size]


def _sections(b: bytes, start: int, count: int, names: int, *, wide: bool) -> tuple[Section, ...]:
    form = "<IIQQQQIIQQ" if wide else "<10I"
    rows = [struct.unpack_from(form, b, start + struct.calcsize(form) * i) for i in range(count)]
    return tuple(Section(_text(b, rows[names][4] + r[0]), *r[1:7]) for r in rows)


def _symbols(b: bytes, sections: tuple[Section, ...], *, wide: bool, thumb: bool) -> Iterator[Symbol]:
    step = 24 if wide else 16
    for table in (s for s in sections if s.kind == SYMTAB):
        for at in range(table.offset + step, table.offset + table.size, step):
            if wide:
                name, info, _, section, address, size = struct.unpack_from("<IBBHQQ", b, at)
            else:
                name, address, size, info, _, section = struct.unpack_from("<IIIBBH", b, at)
            kind = info & 15
            clear = 1 if thumb and kind == FUNCTION else 0
            yield Symbol(_text(b, sections[table.link].offset + name), address & ~clear, size, kind, section)


def _text(b: bytes, at: int) -> str:
    return b[at : b.index(0, at)].decode(errors="replace")
