"""The linked model alone, without driver or board: what it takes of a microcontroller, and what it must not hold."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwsim.graph import Graph

from ...program import prefix_of
from .callgraph import stack_bound
from .elf import read_elf
from .firmware import MEMORY, compile_bare, compile_model, link
from .toolchains import Toolchain, edge_target, toolchains

HEAP = re.compile(r"_?(malloc|calloc|realloc|free|sbrk)(_r)?$")
PRINTING = re.compile(r"_?v?(f|s|sn|as|d)?i?printf(_r)?$|f?puts$|putchar$")
LIBM = re.compile(
    r"(sqrt|exp2?|expm1|log(2|10|1p)?|pow|a?(sin|cos|tan)h?|atan2|erfc?|tgamma|lgamma|(l?l)?r(ound|int)|floor|ceil|trunc"
    r"|nearbyint|fma|fmod|remainder|fabs|f(max|min)|ldexp|frexp|scalbl?n|cbrt|hypot)f?l?$"
)
# libgcc's arithmetic of reals: ARM's names, then gcc's (sf, df and tf are its names of float, double and long double).
SOFT_FLOAT = re.compile(
    r"__aeabi_(c?[fd](add|sub|rsub|mul|div|neg|cmp\w*|rcmp\w*|2\w+)|u?[il]2[fd]|h2f\w*|f2h\w*)$"
    r"|__\w*(add|sub|mul|div|neg|cmp|eq|ne|lt|le|gt|ge|unord|pow)[sdt]f[23i]$"
    r"|__(float|fix)\w*$|__(extend|trunc)[shdt]f[hsdt]f2$"
)
UNWANTED = {"heap": HEAP, "printing": PRINTING, "libm": LIBM, "soft float": SOFT_FLOAT}
NONE = ", ".join(UNWANTED)


@dataclass(frozen=True)
class Image:
    """A model as it would lie in a microcontroller.

    Args:
        tool: compiler and flags.
        text, data, bss: bytes of code and constants, of initial values, and of zeros, as ``size`` counts them.
        functions: (symbol, bytes) in the order of addresses; libgcc's are among them.
        symbols: all names in the image, also second names of functions.
        stack: most bytes of stack that ``<prefix>_run`` takes, None where the compiler does not say (only gcc does).
    """

    tool: str
    text: int
    data: int
    bss: int
    functions: tuple[tuple[str, int], ...]
    symbols: tuple[str, ...]
    stack: int | None

    @property
    def flash(self) -> int:
        """Bytes of flash: code, constants and initial values."""
        return self.text + self.data

    @property
    def ram(self) -> int:
        """Bytes of static RAM; the caller's buffers and the stack come on top."""
        return self.data + self.bss

    def __str__(self) -> str:
        """One line."""
        stack = "" if self.stack is None else f", stack at most {self.stack:,}"
        found = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in self.unwanted().items())
        return f"flash {self.flash:,} bytes, RAM {self.ram:,}{stack}; {found or f'no {NONE}'}"

    def unwanted(self) -> dict[str, list[str]]:
        """What no model should bring: kind -> symbols. The image is linked without a libc, so nothing can hide."""
        return {kind: found for kind, rule in UNWANTED.items() if (found := [n for n in self.symbols if rule.match(n)])}


def image(
    graph: Graph,
    target: str,
    flags: Sequence[str] = ("-O2",),
    *,
    trace: bool = False,
    chain: Toolchain | None = None,
) -> Image:
    """Compile and link the release build of `graph`: all that ``<prefix>_run`` reaches, and nothing else.

    Args:
        graph: the integer graph.
        target: a bare-metal target.
        flags: of the compilation.
        trace: the build that shows every value.
        chain: the compiler; the first of `toolchains` by default.

    Raises:
        ValueError: unknown target, no compiler, or more than fits the target's board.
        RuntimeError: the compiler's complaint.
    """
    machine = edge_target(target)
    chain = chain or toolchains(machine)[0]
    with tempfile.TemporaryDirectory(prefix="hwsim-") as temporary:
        folder = Path(temporary)
        objects = compile_model(graph, folder, machine, chain, flags, trace=trace)[:-1]
        objects += compile_bare((MEMORY,), folder, chain)
        entry = f"{prefix_of(graph)}_run"
        elf = read_elf(link(objects, folder, machine, chain, entry=entry, stack=0))
        bound = stack_bound([o.with_suffix(".ci") for o in objects], entry) if chain.gcc else None
    functions = tuple((f.name, f.size) for f in elf.functions())
    symbols = tuple(sorted({s.name for s in elf.symbols if s.section and s.name}))
    return Image(f"{chain.name} {' '.join(flags)}", *elf.size(), functions, symbols, bound)
