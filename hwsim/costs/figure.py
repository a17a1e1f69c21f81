"""A number of a report: its unit, what kind of number it is, where it comes from, and how to recompute it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

KINDS = ("synthesized", "fitted", "literature", "counted", "stated")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Args:
        value: the number.
        unit: ``um2``, ``NAND2``, ``pJ``, ``W``, ``cycles``, ``s``, ``bits``, ...
        kind: ``synthesized`` (a recorded netlist), ``fitted`` (a law through recorded ones), ``literature`` (a cited
            table), ``counted`` (from the graph and the schedule), ``stated`` (of the hardware description).
        source: library, node, voltage and date; or the publication.
        derivation: one line that a person can recompute.
        scaled: whether it was moved to another node by a stated rule.
        error: of a fitted figure, the law's largest relative error on what it was fitted to.
        parts: what a sum consists of; empty where it is no sum.
    """

    value: float
    unit: str
    kind: str
    source: str
    derivation: str
    scaled: bool = False
    error: float | None = None
    parts: tuple[Figure, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a kind that is none, and for what is no number."""
        if any(k not in KINDS for k in self.kind.split(" + ")):
            raise ValueError(f"figure kind {self.kind!r}: use {', '.join(KINDS)}")
        if not math.isfinite(self.value):
            raise ValueError(f"figure {self.derivation!r}: {self.value} is no finite number")

    def times(self, factor: float, what: str) -> Figure:
        """`factor` of it, as ``16 lanes``."""
        return replace(self, value=self.value * factor, derivation=f"{what} x ({self.derivation})", parts=())

    @property
    def label(self) -> str:
        """``fitted (error up to 4.1 %), scaled``: what a table prints beside the number."""
        error = f" (error up to {100 * self.error:.1f} %)" if self.error is not None else ""
        return f"{self.kind}{error}{', scaled' if self.scaled else ''}"


def total(figures: Iterable[Figure], what: str) -> Figure:
    """The sum of figures of one unit; every kind in it is named, and the parts stay.

    Raises:
        ValueError: no figures, or two units.
    """
    parts = tuple(figures)
    units = {p.unit for p in parts}
    if len(units) != 1:
        raise ValueError(f"{what}: cannot add figures in {', '.join(sorted(units)) or 'nothing'}")
    used = {k for p in parts for k in p.kind.split(" + ")}
    errors = [p.error for p in parts if p.error is not None]
    return Figure(
        value=math.fsum(p.value for p in parts),
        unit=parts[0].unit,
        kind=" + ".join(k for k in KINDS if k in used),
        source="; ".join(dict.fromkeys(p.source for p in parts)),
        derivation=f"{what}: " + " + ".join(f"{p.value:.6g}" for p in parts),
        scaled=any(p.scaled for p in parts),
        error=max(errors) if errors else None,
        parts=parts,
    )
