"""The operator reference, read off the op files: formula, fields, types, rounding, engines."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import MISSING, Field, fields
from functools import cache
from pathlib import Path
from typing import Any

from algos.torch_engine import RUN
from codegen.rtl import nodes
from codegen.views import VIEWS
from hwsim.ops import MOVEMENT, OPS
from hwsim.rounding import ROUNDINGS

TEMPLATES = Path(sys.modules["codegen"].__file__ or "").parent / "templates"
ENGINES = ("numpy", "numba", "C", "ONNX", "torch", "Verilog")


def reference() -> str:
    """One section an op, in the order of `hwsim.ops.OPS`."""
    return "\n\n".join(section(op) for op in OPS)


def engines() -> str:
    """Which engine computes which op."""
    rows = ["| op | " + " | ".join(ENGINES) + " |", "| --- " * (1 + len(ENGINES)) + "|"]
    for op in OPS:
        cells = engines_of(op)
        rows.append(f"| [`{op.name}`](#op-{dashed(op)}) | " + " | ".join(cells[e] or "" for e in ENGINES) + " |")
    return "\n".join(rows)


def engines_of(op: type[Any]) -> dict[str, str]:
    """What each engine has for `op`; empty where it has nothing."""

    def written(language: str) -> bool:
        return op.name in VIEWS and (TEMPLATES / language / f"{op.name}.{language}.j2").exists()

    return {
        "numpy": "`run`",
        "numba": "`run_fast`" if hasattr(op, "run_fast") else "`run`",
        "C": "yes" if written("c") else "",
        "ONNX": "yes" if written("onnx") else "",
        "torch": "yes" if op in RUN else "",
        "Verilog": f"`{units()[op.__name__]}`" if op in nodes.UNITS else "wires" if op in MOVEMENT else "",
    }


@cache
def units() -> dict[str, str]:
    """Hardware units by op, from the one function that chooses them."""
    (chooser,) = (n for n in ast.walk(ast.parse(inspect.getsource(nodes._unit))) if isinstance(n, ast.Match))
    found = {}
    for case in chooser.cases:
        made = next((n.func.id for n in ast.walk(case) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)), "")
        unit = made if made.endswith("Unit") else getattr(nodes, made, units).__annotations__.get("return", "")
        ops = [
            n.cls.id for n in ast.walk(case.pattern) if isinstance(n, ast.MatchClass) and isinstance(n.cls, ast.Name)
        ]
        found |= dict.fromkeys(ops, unit)
    return found


def section(op: type[Any]) -> str:
    """One op: what its file says, in the file's own words."""
    module = inspect.getdoc(sys.modules[op.__module__]) or ""
    formula, _, rest = module.partition("\n")
    body, described = arguments(inspect.getdoc(op) or "")
    rows = [row(f, described) for f in fields(op)]
    table = ["| field | type | default | |", "| --- | --- | --- | --- |", *rows] if rows else ["No fields."]
    return "\n".join([
        f"(op-{dashed(op)})=", f"## {op.name}", "", prose(formula), "", prose(rest.strip()), "",
        f"`hwsim.ops.{op.__name__}`: {prose(body)}", "", *table, "", *rules(op), "", rounding(op), "",
        "Engines: " + "; ".join(f"{e} {how}" if how != "yes" else e for e, how in engines_of(op).items() if how) + ".",
    ])  # fmt: skip


def arguments(text: str) -> tuple[str, dict[str, str]]:
    """A class's docstring without its Args, and these by name; ``a, b: ..`` describes both."""
    body, _, listed = text.partition("\nArgs:\n")
    listed, _, after = listed.partition("\n\n")
    described = {}
    for names, what in re.findall(r"^ {4}([\w, ]+): (.*(?:\n {8,}.*)*)", listed, re.M):
        described |= dict.fromkeys((n.strip() for n in names.split(",")), " ".join(what.split()))
    return (body + "\n\n" + after).strip(), described


def row(f: Field[Any], described: dict[str, str]) -> str:
    """One field of a table."""
    made = f.default if f.default is not MISSING else MISSING if f.default_factory is MISSING else f.default_factory()
    default = "" if made is MISSING else f"`{getattr(made, 'name', made)!s}`"
    cells = (f"`{f.name}`", f"`{f.type}`", default, prose(described.get(f.name, "")))
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"


def rules(op: type[Any]) -> list[str]:
    """Types and range, as the methods' docstrings have them."""
    lines = []
    for title, method in (("Types", "out_type"), ("Range", "reach")):
        function = getattr(op, method)
        names = [p for p in inspect.signature(function).parameters if p != "self"]
        takes = ", ".join(f"`{n}`" for n in names)
        lines += [f"- {title}, of {takes}: {prose(' '.join((inspect.getdoc(function) or '').split()))}"]
    return lines


def rounding(op: type[Any]) -> str:
    """What may be chosen, or that nothing is rounded."""
    (chosen,) = [f for f in fields(op) if f.name == "rounding"] or [None]
    if chosen is not None:
        return f"Rounding: {', '.join(f'`{r}`' for r in ROUNDINGS)}; default `{chosen.default}`."
    if any(f.name == "contract" for f in fields(op)):
        return "Rounding: the [contract](../concepts/requantization.md)'s."
    return "Rounding: none that can be chosen."


def prose(text: str) -> str:
    """Docstrings write code in one or two backquotes, Markdown takes both; names of other ops become links."""
    return re.sub(r"\*(?!\*)", r"\\*", text) if "`" not in text else text


def dashed(op: type[Any]) -> str:
    """The op's name as an anchor."""
    return str(op.name).replace("_", "-")
