"""``hwsim bench area``: recorded units beside the published figures of GQA-LUT and LLM-FP4, and the laws' errors."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from ..costs.families import FAMILIES
from ..costs.laws import held_out_errors
from ..costs.technology import Recorded, Technology, shipped, technology_named
from ..reports.text import text_table

FREQUENCY = 500e6  # hertz, both papers'
ENTRIES = (8, 16)
AGAINST = ("INT32", "FP32", "INT16", "BF16")
PAPER_PWL = {  # arXiv:2403.19591, table 6, TSMC 28 nm, 500 MHz: um2, mW
    ("INT8", 8): (961, 0.40), ("INT32", 8): (5243, 1.93), ("FP32", 8): (5135, 2.02),
}  # fmt: skip
PAPER_OPERATORS = {  # arXiv:2310.16836, table 6, TSMC 40 nm, 500 MHz: um2 of adder, multiplier, MAC
    "int4": (93, 182, 410), "int6": (132, 340, 529), "fp4_e2m1": (111, 92, 443), "fp6_e3m2": (223, 138, 498),
    "fp4_e2m1 x fp4_e1m2": (105, 107, 432),
}  # fmt: skip
EXACT = {  # accumulators of 16 bits
    "int4": ("int4", "int4"), "int6": ("int6", "int6"), "fp4_e2m1": ("fp4_e2m1", "fp4_e2m1"),
    "fp4_e2m1 x fp4_e1m2": ("fp4_e2m1", "fp4_e1m2"),
}  # fmt: skip
NOTES = """area: of all cells, in the library's unit; power: zero-delay toggles of the same numbers in all formats,
clock and leakage, 500 MHz, tables clocked; every netlist gave the simulator's bits first (hwsim synth --refresh).
saved: by the INT8 unit of as many entries. paper: GQA-LUT at 28 nm, LLM-FP4 at 40 nm.
operators: relative to INT4's; adder and multiplier between registers, exact MAC: fixed-point accumulator of 16 bits,
float MAC: FP16 accumulator. LLM-FP4 does not say what its MAC's accumulator is; an INT4 MAC takes 2.3 INT4 multipliers
there, 1.5 to 2 here with the exact accumulator and 4 to 6 with the float one.
Our E2M1 adder rounds half to even, keeps subnormals and saturates; what theirs does is not said either."""


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The tables, and their figures."""
    tables = [technology_named(name) for name in shipped()]
    units = [row for t in tables for row in pwl_rows(t)]
    operators = [row for t in tables for row in operator_rows(t)]
    laws = [row for t in tables for row in law_rows(t)]
    parts = (
        ("GQA-LUT: INT8 against wider units", PWL_COLUMNS, units),
        ("LLM-FP4: operators, relative to the INT4 one of the same kind", OPERATOR_COLUMNS, operators),
        ("laws: largest error on units that they were not fitted to", LAW_COLUMNS, laws),
    )
    text = "\n\n".join(f"{title}\n{text_table(columns, rows, right=columns[2:])}" for title, columns, rows in parts)
    data = {title: [dict(zip(columns, row, strict=True)) for row in rows] for title, columns, rows in parts}
    return f"{text}\n\n{NOTES}", data


PWL_COLUMNS = (
    "library", "against", "entries", "INT8 area", "its area", "area saved %", "paper %", "power saved %", "paper's %",
)  # fmt: skip
OPERATOR_COLUMNS = (
    "library", "format", "adder", "paper", "multiplier", "paper's", "exact MAC", "paper, MAC", "float MAC",
    "exact / float",
)  # fmt: skip
LAW_COLUMNS = ("library", "family", "fitted", "held out", "area %", "power %", "power, all stimuli %")


def pwl_rows(t: Technology) -> list[list[str]]:
    """What the INT8 table unit saves."""
    rows = []
    for entries in ENTRIES:
        for name, (area, power) in pwl_savings(t, entries).items():
            small, wide = pwl_unit(t, "INT8", entries), pwl_unit(t, name, entries)
            areas = [f"{u.area:,.6g}" for u in (small, wide)]
            paper = _paper(name, entries)
            rows.append([t.name, name, str(entries), *areas, f"{area:.1f}", paper[0], f"{power:.1f}", paper[1]])
    return rows


def pwl_savings(t: Technology, entries: int) -> dict[str, tuple[float, float]]:
    """Percent of area and of power that INT8 saves, by what it is compared with."""
    small = pwl_unit(t, "INT8", entries)
    wide = {name: pwl_unit(t, name, entries) for name in AGAINST}
    return {n: (saving(small.area, u.area), saving(_power(small), _power(u))) for n, u in wide.items()}


def pwl_unit(t: Technology, name: str, entries: int) -> Recorded:
    """The unit of ``INT8``, ``FP32`` ...; ValueError where it was not recorded."""
    if name.startswith("INT"):
        found = t.recorded("pwl", bits=int(name[3:]), entries=entries)
    else:
        found = t.recorded("float_pwl", format=name.lower(), entries=entries)
    if not found:
        raise ValueError(f"{t.name}: no {name} table unit of {entries} entries was recorded (hwsim synth --refresh)")
    return found


def saving(small: float, wide: float) -> float:
    """Percent."""
    return 100 * (1 - small / wide)


def _power(u: Recorded) -> float:
    """Energy of a cycle under random numbers, pJ."""
    return u.cycle(u.runs[0], FREQUENCY)


def _paper(name: str, entries: int) -> tuple[str, str]:
    if (name, entries) not in PAPER_PWL:
        return "", ""
    small, wide = PAPER_PWL["INT8", entries], PAPER_PWL[name, entries]
    area, power = (saving(a, b) for a, b in zip(small, wide, strict=True))
    return f"{area:.1f}", f"{power:.1f}"


def operator_rows(t: Technology) -> list[list[str]]:
    """Ours beside the paper's."""
    ours, paper = operator_areas(t), PAPER_OPERATORS
    rows = []
    for name, areas in ours.items():
        theirs = [v / base for v, base in zip(paper[name], paper["int4"], strict=True)]
        cells = [areas.adder, theirs[0], areas.multiplier, theirs[1], areas.exact_mac, theirs[2], areas.float_mac]
        share = f"{areas.exact_share:.2f}" if areas.exact_share else ""
        rows.append([t.name, name, *(f"{v:.2f}" if v else "" for v in cells), share])
    return rows


@dataclass(frozen=True, kw_only=True)
class Operators:
    """Areas of a format's operators relative to INT4's of the same kind.

    Args:
        adder, multiplier: between registers.
        exact_mac: fixed-point accumulator of 16 bits; None where 16 bits do not hold a product.
        float_mac: FP16 accumulator, by a float adder.
        exact_share: this format's exact MAC as a share of its own float one.
        exact_multiples, float_multiples: of its multiplier that its MACs take.
    """

    adder: float
    multiplier: float
    exact_mac: float | None
    float_mac: float
    exact_share: float | None
    exact_multiples: float | None
    float_multiples: float


def operator_areas(t: Technology) -> dict[str, Operators]:
    """By format; ValueError for units that were not recorded."""
    base = [_operator(t, kind, "int4") for kind in ("add", "multiply", "mac")]
    exact = {n: _recorded(t, "mac", a=a, b=b, acc=16, lanes=1) for n, (a, b) in EXACT.items()}
    found = {}
    for name in PAPER_OPERATORS:
        adder, multiplier, mac = (_operator(t, kind, name) for kind in ("add", "multiply", "mac"))
        found[name] = Operators(
            adder=adder / base[0],
            multiplier=multiplier / base[1],
            exact_mac=exact[name] / exact["int4"] if name in exact else None,
            float_mac=mac / base[2],
            exact_share=exact[name] / mac if name in exact else None,
            exact_multiples=exact[name] / multiplier if name in exact else None,
            float_multiples=mac / multiplier,
        )
    return found


def _operator(t: Technology, kind: str, name: str) -> float:
    return _recorded(t, "operator", kind=kind, format=name)


def _recorded(t: Technology, family: str, **parameters: int | str) -> float:
    found = t.recorded(family, **parameters)
    if not found:
        raise ValueError(f"{t.name}: no {family} of {parameters} was recorded (hwsim synth --refresh)")
    return found.area


def law_rows(t: Technology) -> list[list[str]]:
    """Each family's law on the units that it has not seen."""
    rows = []
    for family in FAMILIES:
        groups = dict.fromkeys(family.group(u.parameters) for u in t.of(family.name) if u.held_out)
        for group in groups if family.area else ():
            found = held_out_errors(t, family.name, group)
            cells = [f"{100 * e:.1f}" for e in (found.area, found.power, found.every_power)]
            rows.append([t.name, f"{family.name} {group}".strip(), str(found.fitted), str(found.held_out), *cells])
    return rows
