"""Families of hardware units that costs are known for: their parameters, and what area and energy are linear in.

A law is ``sum of coefficient * feature``, fitted through recorded netlists of one library (`hwsim.costs.laws`). The
features are what the datapath consists of: bits that are stored and added, products of widths for multipliers and for
tables. Families of one netlist a format (floats, blocks) have no features: they are known where they were recorded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..formats import FORMATS, FloatFormat, Format, IntFormat, format_named
from .activity import grid_bits

Parameters = Mapping[str, int | str]
Features = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of unit.

    Args:
        name: of the family.
        parameters: names of its parameters, all of which are given.
        activity: names of the toggle rates that its energy is linear in.
        area: features of area and leakage; None where there is no law.
        clock: features of what the clock costs.
        dynamic: features of switching and internal energy, from parameters and toggle rates.
        group: which law, where a family has several.
    """

    name: str
    parameters: tuple[str, ...]
    activity: tuple[str, ...]
    area: Callable[[Parameters], Features] | None = None
    clock: Callable[[Parameters], Features] | None = None
    dynamic: Callable[[Parameters, Mapping[str, float]], Features] | None = None
    group: Callable[[Parameters], str] = field(default=lambda p: "")


def operand_format(name: str | int) -> Format:
    """``int6`` and ``uint6`` of any width up to 16, else a format of `hwsim.formats`."""
    text = str(name)
    if text not in FORMATS:
        signed = not text.startswith("u")
        digits = text.removeprefix("u").removeprefix("int")
        if text.removeprefix("u").startswith("int") and digits.isdigit() and 2 <= int(digits) <= 16:
            return IntFormat(text, int(digits), signed=signed)
    return format_named(text)


def significand(fmt: Format) -> int:
    """Bits that a multiplier sees: all of an integer, mantissa and hidden bit of a float."""
    return fmt.man_bits + 1 if isinstance(fmt, FloatFormat) else fmt.bits


def _widths(p: Parameters) -> tuple[int, int]:
    """Multiplier widths, the smaller first."""
    n, m = sorted(significand(operand_format(p[k])) for k in "ab")
    return n, m


def _mac_group(p: Parameters) -> str:
    floats = [isinstance(operand_format(p[k]), FloatFormat) for k in "ab"]
    return "floats" if all(floats) else "mixed" if any(floats) else "integers"


def _mac_area(p: Parameters) -> Features:
    n, m = _widths(p)
    made: Features = {"acc": int(p["acc"]), "n * m": n * m, "1": 1}
    return made | ({"n + m": n + m} if _mac_group(p) == "integers" else {"grid": _grid(p)})


def _grid(p: Parameters) -> int:
    """Bits of a product on the formats' grids, to which floats are shifted."""
    return sum(grid_bits(operand_format(p[k])) for k in "ab")


def _mac_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    """What toggles: for floats mostly the shifter, so operands count with the grid's width."""
    n, m = _widths(p)
    acc, product = int(p["acc"]), t["product"]
    if _mac_group(p) == "integers":
        return {
            "t(product)": product,
            "n * t(product)": n * product,
            "m * t(product)": m * product,
            "t(acc)": t["acc"],
            "acc * t(product) / (n + m)": acc * product / (n + m),
        }
    operands = t["a"] + t["b"]
    return {
        "acc * t(product) / grid": acc * product / _grid(p),
        "grid * (t(a) + t(b))": _grid(p) * operands,
        "acc * (t(a) + t(b)) / (a + b)": acc * operands / sum(operand_format(p[k]).bits for k in "ab"),
        "sqrt(t(product) * t(acc))": math.sqrt(product * t["acc"]),
    }


def _element_area(p: Parameters) -> Features:
    stored = sum(operand_format(p[k]).bits for k in "ab")
    return _mac_area(p) | {"a + b": stored}


def _element_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    return _mac_dynamic(p, t) | {"t(a) + t(b)": t["a"] + t["b"]}


def _pwl_area(p: Parameters) -> Features:
    n, w = int(p["entries"]), int(p["bits"])
    return {"(3n - 1) w": (3 * n - 1) * w, "w": w, "w^2": w * w, "n": n, "1": 1}


def _pwl_clock(p: Parameters) -> Features:
    n, w = int(p["entries"]), int(p["bits"])
    return {"(3n - 1) w": (3 * n - 1) * w, "w": w}


def _pwl_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    n, w = int(p["entries"]), int(p["bits"])
    return {"n t(x)": n * t["x"], "w t(x)": w * t["x"], "w t(y)": w * t["y"], "t(y)": t["y"]}


def _table_area(p: Parameters) -> Features:
    entries, out = 1 << int(p["bits"]), int(p["out"])
    return {"entries * out": entries * out, "entries": entries, "out": out}


def _table_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    return {"entries t(x)": (1 << int(p["bits"])) * t["x"], "entries t(y)": (1 << int(p["bits"])) * t["y"]}


def _requant_area(p: Parameters) -> Features:
    return {"bits": int(p["bits"]), "out": int(p["out"]), "1": 1}


def _requant_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    return {"bits t(x)": int(p["bits"]) * t["x"], "t(x)": t["x"], "t(y)": t["y"]}


def _width_area(*names: str) -> Callable[[Parameters], Features]:
    return lambda p: {**{n: int(p[n]) for n in names}, "1": 1}


def _linear_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    return {"t(x)": t["x"], "t(y)": t["y"]}


def _product_area(p: Parameters) -> Features:
    a, b = int(p["a"]), int(p["b"])
    return {"a b": a * b, "a + b": a + b, "1": 1}


def _product_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    n, m = sorted((int(p["a"]), int(p["b"])))
    return {"n t(y)": n * t["y"], "m t(y)": m * t["y"], "n t(x)": n * t["x"]}


def _sum_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    """Carries run through the bits above the input's."""
    return {"t(y)": t["y"], "acc / bits * t(x)": int(p["acc"]) / int(p["bits"]) * t["x"]}


def _normalize_area(p: Parameters) -> Features:
    """A barrel shifter: a row of multiplexers a bit of the exponent."""
    bits = int(p["bits"])
    return {"bits * stages": bits * (bits - 1).bit_length(), "1": 1}


def _normalize_dynamic(p: Parameters, t: Mapping[str, float]) -> Features:
    """What moves the leading one moves the shifter."""
    return {"t(y)": t["y"], "bits t(y)": int(p["bits"]) * t["y"]}


FAMILIES = (
    Family(
        name="mac", parameters=("a", "b", "acc", "lanes"), activity=("a", "b", "product", "acc"), area=_mac_area,
        clock=_width_area("acc"), dynamic=_mac_dynamic,
        group=lambda p: _mac_group(p) if p["lanes"] == 1 else f"{p['lanes']} lanes",
    ),
    Family(
        name="pe", parameters=("a", "b", "acc"), activity=("a", "b", "product", "acc"), area=_element_area,
        clock=lambda p: {"registers": sum(operand_format(p[k]).bits for k in "ab") + 2 * int(p["acc"]) + 2},
        dynamic=_element_dynamic, group=_mac_group,
    ),
    Family(
        name="pwl", parameters=("bits", "entries"), activity=("x", "y"), area=_pwl_area, clock=_pwl_clock,
        dynamic=_pwl_dynamic,
    ),
    Family(
        name="lut", parameters=("bits", "out"), activity=("x", "y"), area=_table_area, clock=_table_area,
        dynamic=_table_dynamic,
    ),
    Family(
        name="requant", parameters=("bits", "out"), activity=("x", "y"), area=_requant_area, clock=_width_area("out"),
        dynamic=_requant_dynamic,
    ),
    Family(
        name="add", parameters=("bits",), activity=("x", "y"), area=_width_area("bits"), clock=_width_area("bits"),
        dynamic=_linear_dynamic,
    ),
    Family(
        name="multiply", parameters=("a", "b"), activity=("x", "y"), area=_product_area,
        clock=lambda p: {"a + b": int(p["a"]) + int(p["b"])}, dynamic=_product_dynamic,
    ),
    Family(
        name="reduce", parameters=("bits", "acc"), activity=("x", "y"), area=_width_area("bits", "acc"),
        clock=_width_area("acc"), dynamic=_sum_dynamic,
    ),
    Family(
        name="normalize", parameters=("bits",), activity=("x", "y"), area=_normalize_area, clock=_width_area("bits"),
        dynamic=_normalize_dynamic,
    ),
    Family(name="block_mac", parameters=("format", "lanes"), activity=("a", "b", "y")),
    Family(name="float_mac", parameters=("format", "acc"), activity=("a", "b", "y")),
    Family(name="float_pwl", parameters=("format", "entries"), activity=("x", "y")),
    Family(name="operator", parameters=("kind", "format"), activity=("x", "y")),
)  # fmt: skip


def family_named(name: str) -> Family:
    """The family called `name`; ValueError lists the known ones."""
    for f in FAMILIES:
        if f.name == name:
            return f
    raise ValueError(f"unit family {name!r} is unknown: use one of {', '.join(f.name for f in FAMILIES)}")


def checked_parameters(family: Family, parameters: Parameters) -> dict[str, int | str]:
    """The family's parameters in its order; ValueError where some are missing or unknown."""
    if set(parameters) != set(family.parameters):
        raise ValueError(f"{family.name}: parameters {sorted(parameters)}; it has {', '.join(family.parameters)}")
    return {name: parameters[name] for name in family.parameters}
