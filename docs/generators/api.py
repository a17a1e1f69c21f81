"""The Python reference: what each room's `__all__` names; autodoc writes it from the docstrings."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from types import ModuleType
from typing import Any

from hwsim.formats import FORMATS, FloatFormat


def reference(room: str) -> str:
    """Classes and functions of a room by name, then its constants, then its modules."""
    module = importlib.import_module(room)
    named = sorted(((name, getattr(module, name)) for name in module.__all__), key=lambda pair: pair[0].lower())
    parts, plain, modules = [], [], []
    for name, what in named:
        if inspect.isclass(what):
            hidden = [f.name for f in dataclasses.fields(what)] if dataclasses.is_dataclass(what) else []
            options = ["   :members:", f"   :exclude-members: {', '.join(hidden)}" if hidden else ""]
            parts += [f".. autoclass:: {room}.{name}", *filter(None, options), ""]
        elif isinstance(what, ModuleType):
            modules += [f".. automodule:: {room}.{name}", "   :members:", "   :imported-members:", ""]
        elif callable(what) and not dataclasses.is_dataclass(what):
            parts += [f".. autofunction:: {room}.{name}", ""]
        else:
            plain.append((name, what))
    return "\n".join(["```{eval-rst}", *parts, *constants(room, plain), *modules, "```"])


def constants(room: str, named: list[tuple[str, Any]]) -> list[str]:
    """What is neither class nor function: formats, and collections of them."""
    groups: dict[str, list[str]] = {}
    for name, what in named:
        kind = f"{type(what).__name__}, by name" if isinstance(what, dict) else type(what).__name__
        groups.setdefault(kind, []).append(name)
    parts = []
    for kind, (first, *rest) in groups.items():
        parts += [f".. py:data:: {first}", *(f"             {n}" for n in rest), f"   :module: {room}", ""]
        parts += [f"   {kind}.", ""]
    return parts


def formats() -> str:
    """Every element format: bits, limits, and the step of its grid."""
    rows = ["| name | bits | smallest | largest | grid step | |", "| --- " * 6 + "|"]
    for name, f in FORMATS.items():
        lsb = 2.0**f.lsb_exp
        if isinstance(f, FloatFormat):
            kind = f"float, {f.exp_bits} exponent and {f.man_bits} mantissa bits"
            lo, hi = -f.max_int * lsb, f.max_int * lsb
        else:
            kind, lo, hi = "integer", f.min_int, f.max_int
        rows.append(f"| `{name}` | {f.bits} | {lo:.6g} | {hi:.6g} | {lsb:.6g} | {kind} |")
    return "\n".join(rows)


def docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Bars and stars outside of code are no markup in our docstrings."""
    lines[:] = [escaped(line) for line in lines]


def escaped(line: str) -> str:
    """One line with its bars and stars as they stand, where they are outside of backquotes."""
    parts = re.split(r"(``.*?``|`.*?`)", line)
    return "".join(p if p.startswith("`") else re.sub(r"([*|])", r"\\\1", p) for p in parts)
