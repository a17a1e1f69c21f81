"""The one Jinja environment. Templates interpolate and loop; they never compute."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """Templates of all targets, as ``c/requant.c.j2`` or ``onnx/requant.onnx.j2``; undefined names are errors."""
    return Environment(
        loader=PackageLoader("codegen", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Why: the output is C and ONNX text; names from outside never reach it (see views/names.py)
    )


def render(target: str, template: str, **view: object) -> str:
    """One template of a target (``c`` or ``onnx``) filled with one view; its macros are at hand as ``m``."""
    return (
        environment().get_template(f"{target}/{template}.{target}.j2").render(m=macros(f"{target}/macros.j2"), **view)
    )


def macros(path: str) -> Any:
    """The macros of one template, as attributes."""
    return environment().get_template(path).module
