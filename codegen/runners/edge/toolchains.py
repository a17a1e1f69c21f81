"""The cross compilers at hand for a target: Debian's gcc, else the clang inside ``ziglang``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache

from ...targets import TARGETS, Target, target_named
from ..c import has_ziglang

SHORT = {"riscv32": "riscv32imc", "riscv64": "riscv64gc"}
PACKAGES = {"arm-none-eabi-gcc": "gcc-arm-none-eabi", "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf"}


@dataclass(frozen=True)
class Toolchain:
    """One compiler for one target.

    Args:
        name: compiler and version.
        gcc: whether it is gcc, which says how much stack each function takes and whom it calls.
        command: program, with the options that name the machine.
    """

    name: str
    gcc: bool
    command: tuple[str, ...]

    @property
    def freestanding(self) -> tuple[str, ...]:
        """Options of every compilation."""
        own = ("-fcallgraph-info=su",) if self.gcc else ("-fno-sanitize=all", "-fno-unwind-tables")
        return ("-ffreestanding", "-ffunction-sections", "-fdata-sections", *own)

    @property
    def libraries(self) -> tuple[tuple[str, ...], ...]:
        """The compiler's arithmetic, which alone is linked beside our files; the second where the first lacks symbols.

        Why two: zig compiles its library, ten seconds a target, when it is asked for first.
        """
        return (("-lgcc",),) if self.gcc else ((), ("-lcompiler_rt",))


def edge_targets() -> tuple[str, ...]:
    """Names of all targets that run on bare metal."""
    return tuple(t.name for t in TARGETS if t.gcc or t.zig)


def edge_target(name: str) -> Target:
    """The bare-metal target called `name`, which may be a short name; ValueError for others."""
    target = target_named(SHORT.get(name, name))
    if not target.gcc and not target.zig:
        raise ValueError(f"target {name!r} is no bare metal: use one of {', '.join((*edge_targets(), *SHORT))}")
    return target


def toolchains(target: Target) -> list[Toolchain]:
    """The compilers found, the preferred one first; ValueError says what to install if there is none."""
    found = []
    if target.gcc and (path := shutil.which(target.gcc[0])):
        found.append(Toolchain(f"{target.gcc[0]} {_told(path, '-dumpfullversion')}", True, (path, *target.gcc[1:])))
    if target.zig and has_ziglang():
        command = (sys.executable, "-m", "ziglang", "cc", *target.zig)
        found.append(Toolchain(f"zig cc {_told(sys.executable, '-m', 'ziglang', 'version')}", False, command))
    if not found:
        other = ", or pip install ziglang" if target.zig else ""
        package = PACKAGES[target.gcc[0]]
        raise ValueError(f"no compiler for {target.name}: install {target.gcc[0]} (apt-get install {package}){other}")
    return found


@cache
def _told(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
