"""Which Liberty libraries there are: our gate equivalents always, Debian's osu018 where installed, and any file."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path

from .cells import Library
from .gate_equivalents import NAME as OWN
from .gate_equivalents import gate_equivalents
from .liberty import read_cells
from .liberty_text import without_cells

DEBIAN = "osu018"
OSU018 = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
OSU018_COPYRIGHT = Path("/usr/share/doc/qflow-tech-osu018/copyright")
NOT_LOGIC = ("CLKBUF*", "LATCH", "TBUF*", "PAD*")  # of osu018: clock buffers, latches, tristate buffers, pads


def library_named(name: str, *, leave_out: tuple[str, ...] = (), licence: str = "") -> Library:
    """The library called `name`: ``gate-equivalents``, ``osu018``, or a ``.lib`` or ``.lib.gz`` file.

    Args:
        name: a name or a file.
        leave_out: patterns of cells that no tool shall use, such as ``*_dly*``.
        licence: of a file whose text does not say it.

    Raises:
        ValueError: it is not there, or is no Liberty.
    """
    if name == OWN:
        return _library(gate_equivalents(), "hwsim", licence or "Apache-2.0", leave_out, "NAND2")
    if name == DEBIAN:
        if not OSU018.is_file():
            raise ValueError("library osu018: not installed (Debian: apt-get install qflow-tech-osu018)")
        said = licence or f"{_licence(OSU018_COPYRIGHT.read_text())} (Debian's copyright file)"
        return _library(file_text(OSU018), "Debian qflow-tech-osu018", said, leave_out or NOT_LOGIC, "um2")
    if not Path(name).is_file():
        raise ValueError(f"library {name!r}: no such file, and no name; the names are {OWN} and {DEBIAN}")
    text = file_text(Path(name))
    return _library(text, Path(name).name, licence or _licence(text[: text.find("library")]), leave_out, "um2")


def file_text(path: Path) -> str:
    """A Liberty file, unpacked if need be; ValueError if it is cut off."""
    raw = path.read_bytes()
    try:
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("latin-1")
    except (EOFError, gzip.BadGzipFile) as e:
        raise ValueError(f"{path.name}: {e}") from None


def _licence(text: str) -> str:
    """The first line that names one."""
    lines = (line.strip(" /*\t\r") for line in text.splitlines())
    return next((line for line in lines if re.search(r"licen[cs]e", line, re.IGNORECASE)), "not stated in the file")


@cache
def _library(text: str, source: str, licence: str, leave_out: tuple[str, ...], area_unit: str) -> Library:
    digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
    used = without_cells(text, leave_out)
    name, voltage, cells = read_cells(used, source)
    return Library(
        name=name,
        source=source,
        licence=licence,
        sha256=digest,
        text=used,
        left_out=leave_out,
        voltage=voltage,
        cells=cells,
        area_unit=area_unit,
    )
