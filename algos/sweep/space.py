"""A design space: axes of choices, and the recipe and hardware that each point of it means.

[choices]                       an axis a line; a value may be a table of settings that go together
weights = ["int8", "int4"]
pair = [{ weights = "int4", operands = "int4" }, { weights = "int8" }]
accumulator = ["proven", "int24:saturate"]
tables = ["whole", 8, "8:each", "16:paper"]
hardware = ["edge-int8", "edge-int8:narrow"]
[layers."blocks.0*"]            axes of the layers that a glob names, all of them alike
weights = ["int8", "int4"]
[each."*"]                      the same axes for each layer with weights that a glob names
weights = ["int8", "int4"]
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from hwsim import Recipe
from hwsim.front import FrontGraph
from hwsim.reports import Choice

HARDWARE, TABLES, WHOLE = "hardware", "tables", "whole"
SETTINGS = (*(f.name for f in fields(Recipe) if f.name != "overrides"), HARDWARE)
NAMED = ("weights", "activations", "operands", "residual", "contract", "rounding", "observer", "equalize")
PARTS = ("choices", "layers", "each")
At = tuple[int, ...]  # a point: the number of the choice on each axis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Choices of one thing.

    Args:
        name: a setting of `hwsim.Recipe`, ``hardware``, or any other name where all values are tables of settings.
        values: what it may be.
        layer: glob of the layers that it is for; empty for the whole model.
    """

    name: str
    values: tuple[Any, ...]
    layer: str = ""

    @property
    def title(self) -> str:
        """``weights``, or ``head/weights`` of a layer."""
        return f"{self.layer}/{self.name}" if self.layer else self.name

    def settings(self, i: int) -> dict[str, Any]:
        """What choice number `i` sets."""
        value = self.values[i]
        return dict(value) if self.name not in SETTINGS else {self.name: value}

    def check(self, base: Recipe) -> None:
        """ValueError for settings that nothing knows."""
        if not self.values or len({json.dumps(v, sort_keys=True) for v in self.values}) != len(self.values):
            raise ValueError(f"space: {self.title} = {list(self.values)!r} must be different choices, one or more")
        for i, value in enumerate(self.values):
            if self.name not in SETTINGS and not isinstance(value, Mapping):
                known = ", ".join(SETTINGS)
                raise ValueError(f"space: {self.title} is no setting: use {known}; or give tables of settings")
            made = self.settings(i)
            if unknown := [k for k in made if k not in SETTINGS or (self.layer and k in (HARDWARE, TABLES))]:
                where = f"for the layers {self.layer!r}" if self.layer else "known"
                raise ValueError(f"space: {self.title}: {unknown[0]!r} is no setting {where}")
            try:
                replace(base, **{k: v for k, v in made.items() if k in NAMED}, overrides=())
            except ValueError as e:
                raise ValueError(f"space: {self.title}: {e}") from None
            for tables in (v for k, v in made.items() if k == TABLES):
                table_choice(tables)


@dataclass(frozen=True, kw_only=True)
class Space:
    """All points: one choice of every axis.

    Args:
        axes: what may be chosen.
        base: settings that no axis names.
        hardware: where no axis names any.
    """

    axes: tuple[Axis, ...]
    base: Recipe
    hardware: str = "edge-int8"

    @classmethod
    def of(cls, described: Mapping[str, Any], base: Recipe, front: FrontGraph, hardware: str = "edge-int8") -> Space:
        """The space of ``{"choices": .., "layers": .., "each": ..}``; ValueError for what is unknown in it."""
        if unknown := [k for k in described if k not in PARTS]:
            raise ValueError(f"space: key {unknown[0]!r} is unknown: use {', '.join(PARTS)}")
        axes = list(_axes("", described.get("choices", {})))
        for glob, keys in _globs("layers", described):
            axes += _axes(glob, keys)
        weighted = [n.out for n in front.nodes if n.op == "linear" or n.op.startswith("conv")]
        for glob, keys in _globs("each", described):
            if not (names := fnmatch.filter(weighted, glob)):
                raise ValueError(f"space: each {glob!r} matches no layer with weights: {', '.join(weighted)}")
            axes += [axis for name in names for axis in _axes(name, keys)]
        titles = [a.title for a in axes]
        if not axes or len(set(titles)) != len(titles):
            raise ValueError(f"space: axes {titles} must be different, one or more")
        for axis in axes:
            axis.check(base)
        return cls(axes=tuple(axes), base=base, hardware=hardware)

    @property
    def size(self) -> int:
        """Number of points."""
        return prod(len(a.values) for a in self.axes)

    def grid(self) -> Iterator[At]:
        """All points, the last axis fastest."""
        return product(*(range(len(a.values)) for a in self.axes))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Titles of all settings that any axis makes."""
        named = [self._title(a, k) for a in self.axes for i in range(len(a.values)) for k in a.settings(i)]
        return tuple(dict.fromkeys(named))

    @staticmethod
    def _title(axis: Axis, key: str) -> str:
        return f"{axis.layer}/{key}" if axis.layer else key

    def named(self, at: At) -> dict[str, Any]:
        """The settings of a point by title; what an axis leaves alone is the base's."""
        found: dict[str, Any] = {}
        for axis, i in zip(self.axes, at, strict=True):
            found |= {self._title(axis, k): v for k, v in axis.settings(i).items()}
        return {title: found.get(title, self._default(title)) for title in self.columns}

    def _default(self, title: str) -> Any:
        if "/" in title:
            return ""
        if title in (HARDWARE, TABLES):
            return self.hardware if title == HARDWARE else WHOLE
        return self.base.to_dict()[title]

    def recipe(self, at: At) -> tuple[Recipe, str | int, str]:
        """What a point means: recipe without its tables, choice of tables, name of the hardware."""
        changes: dict[str, Any] = {}
        layers = {pattern: dict(s) for pattern, s in self.base.overrides}
        for axis, i in zip(self.axes, at, strict=True):
            into = layers.setdefault(axis.layer, {}) if axis.layer else changes
            into |= axis.settings(i)
        hardware, tables = changes.pop(HARDWARE, self.hardware), changes.pop(TABLES, "")
        accumulator = changes.pop("accumulator", "")
        made = Recipe.from_dict({**self.base.to_dict(), **changes, "overrides": _plain(layers)})
        return Choice(weights=made.weights, accumulator=accumulator).of(made), tables, hardware


def table_choice(value: Any) -> tuple[int, str] | None:
    """``8`` or ``"8:paper"`` as segments and method; None for whole tables, one entry a code."""
    if value in (WHOLE, ""):
        return None
    count, _, how = str(value).partition(":")
    if isinstance(value, bool) or not count.isdecimal() or not 2 <= int(count) <= 64 or how not in METHODS:
        known = ", ".join(m for m in METHODS if m)
        raise ValueError(f"space: tables = {value!r}: give 'whole', segments 2..64, or '8:' and one of {known}")
    return int(count), how


METHODS = {"": "ours", "each": "ours", "paper": "paper", "uniform": "uniform"}
"""Behind the colon -> how tables are fitted, see `algos.gqa_lut.fit`; ``each`` has lines of its own for each step."""


def _plain(layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Overrides whose accumulators say what they do when they are full."""
    made: dict[str, dict[str, Any]] = {}
    for pattern, settings in layers.items():
        name, _, overflow = str(settings.get("accumulator", "")).partition(":")
        path = {"datapath": {"overflow": overflow}} if overflow else {}
        plain = {k: v for k, v in settings.items() if k != "accumulator"}
        made[pattern] = plain | ({"accumulator": "" if name == "proven" else name} if name else {}) | path
    return made


def _axes(layer: str, keys: Any) -> Iterator[Axis]:
    where = f" of {layer!r}" if layer else ""
    if not isinstance(keys, Mapping):
        raise ValueError(f"space: the choices{where} must be a table of axes, such as weights = ['int8', 'int4']")
    for name, values in keys.items():
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise ValueError(f"space: {name}{where} = {values!r} must be a list of choices")
        yield Axis(name=name, values=tuple(values), layer=layer)


def _globs(part: str, described: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    tables = described.get(part, {})
    if not isinstance(tables, Mapping) or any(not isinstance(t, Mapping) for t in tables.values()):
        raise ValueError(f'space: {part} must be tables of axes by layer, [{part}."block*"]')
    yield from tables.items()
