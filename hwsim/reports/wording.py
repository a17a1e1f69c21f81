"""How numbers, types and names are written for people, in the terminal and in HTML alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NONE = "\N{EN DASH}"
CONTRACT_NOTES = {
    "dyadic16": "16-bit multiplier and one shift",
    "pow2": "shift only",
    "tfl_single": "LiteRT's reference fully connected kernel, one rounding",
    "tflm_double": "TFLM and CMSIS-NN, two roundings",
    "onnx_float": "float32 product, as ONNX Runtime",
}


def name(text: str, limit: int = 40) -> str:
    """`text` fit to be shown: unprintable characters escaped, the middle of long names left out."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: 4 * limit])
    if len(shown) <= limit and len(text) <= 4 * limit:
        return shown
    return f"{shown[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def count(n: int | None) -> str:
    """Thousands apart."""
    return NONE if n is None else f"{n:,}"


def ran(row: Mapping[str, Any]) -> str:
    """What ran, and how many instructions it took where they were counted."""
    counted = row["instructions"]
    return row["tool"] if counted is None else f"{row['tool']}; {count(counted)} instructions an inference"


def size(n: int | None) -> str:
    """Bytes, then a rounder unit."""
    if n is None:
        return NONE
    if n < 1024:
        return f"{n} B"
    return f"{n / 1024:,.1f} KiB" if n < 1 << 20 else f"{n / (1 << 20):,.2f} MiB"


def large(n: int) -> str:
    """Three digits and a metric prefix."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if n >= 10**power:
            return f"{n / 10**power:.3g} {prefix}"
    return str(n)


def percent(part: int | None, of: int) -> str:
    """Share with two decimals."""
    return NONE if part is None else f"{100 * part / of:.2f} %"


def shape(sizes: Sequence[int | str]) -> str:
    """Sizes, the batch first."""
    return " \N{MULTIPLICATION SIGN} ".join(str(s) for s in sizes) or "scalar"


def per_channel(v: Any, spec: str = ".4g") -> str:
    """A number, or the range and count of a tuple of them."""
    if not isinstance(v, (tuple, list)):
        return format(v, spec)
    low, high = format(min(v), spec), format(max(v), spec)
    span = low if low == high else f"{low} \N{HORIZONTAL ELLIPSIS} {high}"
    return f"{span} ({len(v)} ch)"


def contract(layer: Mapping[str, Any]) -> str:
    """Contract and rounding of a layer, or what its accumulator does."""
    return ", ".join(t for t in (layer["contract"], layer["rounding"], layer["datapath"]) if t) or NONE


def sqnr(layer: Mapping[str, Any]) -> str:
    """SQNR, ``exact``, or nothing to compare."""
    if layer["sqnr_db"] is None:
        return NONE if layer["max_error"] is None or layer["max_error"] > 0 else "exact"
    return f"{layer['sqnr_db']:.1f}"


def max_error(layer: Mapping[str, Any]) -> str:
    """Largest distance from float in steps of the value."""
    return NONE if layer["max_error_lsb"] is None else f"{layer['max_error_lsb']:.2f}"


def bits(layer: Mapping[str, Any]) -> str:
    """``18 of 32``: what the proof needs of what the format has."""
    return f"{layer['bits_needed']} of {layer['bits_declared']}"


def integer_kind(report: Mapping[str, Any]) -> str:
    """``INT8``, ``INT8, INT4 weights``, ``INT8, MXFP4 weights, MXFP4 operands``; ``integers`` where no recipe says."""
    activations = report["recipe"].get("activations")
    if not activations:
        return "integers"
    others = {key: report["recipe"].get(key) for key in ("weights", "operands")}
    parts = [f"{name(fmt).upper()} {key}" for key, fmt in others.items() if fmt not in (None, "", activations)]
    return ", ".join([name(str(activations)).upper(), *parts])


def verdict(report: Mapping[str, Any]) -> str:
    """The headline: are all engines equal, bit for bit?"""
    rows = report["verify"]
    engines = list(dict.fromkeys(r["engine"] for r in rows))
    if report["ok"]:
        return f"Every code equal on {len(engines)} engine{'s' * (len(engines) != 1)}: {', '.join(engines)}"
    wrong = [r for r in rows if r["mismatches"]]
    if not wrong:
        return "Nothing was compared"
    broken = ", ".join(dict.fromkeys(r["engine"] for r in wrong))
    return f"{count(sum(r['mismatches'] for r in wrong))} codes differ on {broken}"


def compared(report: Mapping[str, Any]) -> str:
    """How much the verdict rests on."""
    codes = sum(r["codes"] for r in report["verify"])
    n = report["data"]["samples"]
    return (
        f"{count(codes)} codes compared with the numpy definition on {count(n)} sample{'s' * (n != 1)}: "
        "the outputs of each release build, every intermediate value of each trace build."
    )


def mismatch(row: Mapping[str, Any]) -> str:
    """The first difference of a verify row in one sentence."""
    m = row["first"]
    how = ", ".join(t for t in (m["contract"], m["rounding"]) if t)
    return (
        f"First on {row['engine']} ({row['build']} build): {m['node']} makes value {name(m['value'])!r}"
        f"{f' under {how}' if how else ''}; at index {tuple(m['index'])} the definition says {m['expected']}, "
        f"{row['engine']} says {m['got']}. Inputs there: {name(m['operands'], 300)}"
    )


def blocks(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rows of `hwsim.reports.blocks`: which block, how far from float64, rows whose largest element changed."""
    return [
        {
            "op": r["op"],
            "value": name(r["value"]),
            "rows": count(r["rows"]),
            "mean": f"{r['mean_error']:.2g}",
            "largest": f"{r['max_error']:.2g}",
            "steps": f"{r['max_error_lsb']:.2f}",
            "flips": count(r["flips"]),
            "ties": count(r["ties"]),
            "sums": NONE if r["least_sum"] is None else f"{r['least_sum']:.3f} to {r['greatest_sum']:.3f}",
        }
        for r in rows
    ]


def ablation(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Rows of `hwsim.ablation` in percent, with the gain in points over the first, the model as it is."""
    if not rows:
        return []
    base = rows[0]

    def cell(row: Mapping[str, Any], key: str) -> dict[str, str]:
        gain = "" if row is base else f"{100 * (row[key] - base[key]):+.2f}"
        return {key: f"{100 * row[key]:.2f}", f"{key}_gain": gain}

    return [{"title": r["layer"] or "(none)", **cell(r, "int16"), **cell(r, "floating")} for r in rows]
