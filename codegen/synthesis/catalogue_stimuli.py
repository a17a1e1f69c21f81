"""What drives recorded units: the same numbers in every format, as codes by port, with their toggle rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hwsim.blockformats import BIAS
from hwsim.costs.activity import mac_activity, toggles
from hwsim.formats import E8M0, Codes, FloatFormat, Format, IntFormat

from ..rtl import (
    ArithmeticFloat,
    BlockMacUnit,
    ElementwiseUnit,
    FloatAdderUnit,
    FloatMacUnit,
    FloatMultiplierUnit,
    FloatPwlUnit,
    LutUnit,
    MacUnit,
    ProcessingElement,
    PwlUnit,
    ReduceUnit,
    RequantUnit,
    Unit,
)
from ..rtl.unit import Stimulus
from .stimuli import operands, reals

LANES = 64  # sequences beside each other
SUM = 64  # products of one sum
LONG, SHORT = 192, 64  # cycles of the first stimulus, and of the others
ROWS = 16  # of the array that a processing element stands in
SPAN = 8.0  # of a PWL unit's input
PAIRS = (
    ("uniform", "uniform"), ("normal", "normal"), ("relu", "normal"), ("narrow", "narrow"), ("smooth", "normal"),
    ("normal", "held"), ("narrow", "normal"), ("relu", "narrow"), ("zero", "zero"),
)  # fmt: skip
ONES = ("uniform", "normal", "narrow", "relu", "smooth", "zero")

Shape = tuple[int, int]


def kinds(unit: Unit) -> tuple[str, ...]:
    """Names of the stimuli of a unit; the first is long enough to be its check."""
    two = isinstance(unit, MacUnit | ProcessingElement | BlockMacUnit | FloatMacUnit) or _two_ports(unit)
    return tuple(f"{a}, {b}" for a, b in PAIRS) if two else ONES


def _two_ports(unit: Unit) -> bool:
    return {"a", "b"} <= {p.name for p in unit.module.ports}


def stimulus(unit: Unit, kind: str, seed: int) -> Stimulus:
    """Codes by port, `LANES` sequences one after the other.

    Args:
        unit: what is driven.
        kind: one of `kinds`.
        seed: of the numbers.
    """
    rng = np.random.default_rng(seed)
    shape = (LANES, LONG if kind == kinds(unit)[0] else SHORT)
    makers: tuple[tuple[type, Callable[..., Stimulus]], ...] = (
        (MacUnit, _mac), (ProcessingElement, _element), (BlockMacUnit, _blocks), (FloatMacUnit, _float_mac),
        (PwlUnit, _pwl), (FloatPwlUnit, _pwl), (RequantUnit, _requant),
    )  # fmt: skip
    for cls, make in makers:
        if isinstance(unit, cls):
            return make(unit, kind, shape, rng)
    return _ports(unit, kind, shape, rng)


def activity(unit: Unit, codes: Stimulus, names: tuple[str, ...]) -> dict[str, float]:
    """Toggle rates of what `stimulus` made, by the names that a family wants."""
    if "product" in names:
        mac = unit.mac if isinstance(unit, ProcessingElement) else unit
        assert isinstance(mac, MacUnit)
        a, b = (np.asarray(codes[p]).reshape(-1, SUM, mac.lanes) for p in "ab")
        return mac_activity(a, b, (mac.a, mac.b), mac.acc.bits, mac.zero_b)
    ports = {p.name: p.bits or 1 for p in unit.module.ports}
    rates = {p: _rate(c, ports[p]) for p, c in codes.items()}
    results = {p: _rate(c, ports[p]) for p, c in unit.expected(codes).items()}
    found = rates | results | {"y": sum(results.values())}
    if not {"a", "b"} <= set(names):
        found["x"] = sum(rate for port, rate in rates.items() if port != "first")
    return {name: found[name] for name in names}


def _rate(codes: Codes, bits: int) -> float:
    """Changed bits a cycle of a port; lanes of a port beside each other."""
    lanes = codes.shape[1] if codes.ndim > 1 else 1
    by_time = np.asarray(codes).reshape(LANES, -1, lanes)
    return toggles(by_time, bits // lanes, axis=1) * lanes


def _first(shape: Shape, every: int) -> Codes:
    return np.broadcast_to(np.arange(shape[1]) % every == 0, shape).astype(np.int64).reshape(-1)


def _pair(kind: str, formats: tuple[Format, Format], shape: Shape, rng: np.random.Generator) -> list[Codes]:
    return [operands(k, f, shape, rng) for k, f in zip(kind.split(", "), formats, strict=True)]


def _mac(unit: MacUnit, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    lanes = [_pair(kind, (unit.a, unit.b), shape, rng) for _ in range(unit.lanes)]
    a, b = (np.stack([pair[i] for pair in lanes], axis=-1).reshape(-1, unit.lanes) for i in (0, 1))
    return {"first": _first(shape, SUM), "a": a, "b": b}


def _element(unit: ProcessingElement, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    a, b = _pair(kind, (unit.mac.a, unit.mac.b), shape, rng)
    return unit.in_array(a, b, steps=SUM, rows=ROWS)


def _blocks(unit: BlockMacUnit, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    made = [_pair(kind, (unit.a, unit.b), shape, rng) for _ in range(unit.lanes)]
    codes: Stimulus = {"first": _first(shape, max(SUM, unit.steps))}
    codes |= {p: np.stack([pair[i] for pair in made], axis=-1).reshape(-1, unit.lanes) for i, p in enumerate("ab")}
    blocks = (LANES, -(-shape[1] // unit.steps))
    for port, t in unit.scales.items():
        drawn = _scales(t.fmt, kind, blocks, rng)
        codes[port] = np.repeat(drawn, unit.steps, axis=1)[:, : shape[1]].reshape(-1)
    if unit.steps > 1:
        last = np.arange(shape[1]) % unit.steps == unit.steps - 1
        codes["last"] = np.broadcast_to(last, shape).astype(np.int64).reshape(-1)
    return codes


def _scales(fmt: Format, kind: str, shape: Shape, rng: np.random.Generator) -> Codes:
    """Exponents within 16 binades, or positive significands; one where nothing shall change."""
    if kind.startswith("zero"):
        return np.full(shape, BIAS if fmt == E8M0 else 1)
    if fmt == E8M0:
        return BIAS - rng.integers(0, 16, shape)
    return np.abs(operands("uniform", fmt, shape, rng)) & ((1 << (fmt.bits - 1)) - 1)


def _float_mac(unit: FloatMacUnit, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    made = []
    for k, f in zip(kind.split(", "), (unit.a, unit.b), strict=True):
        if isinstance(f, ArithmeticFloat):
            x = rng.uniform(-1, 1, shape) if k == "uniform" else reals(k, shape, rng)
            made.append(f.encode(x * 4))
        else:
            made.append(operands(k, f, shape, rng))
    return {"first": _first(shape, SUM), "a": made[0].reshape(-1), "b": made[1].reshape(-1)}


def _pwl(unit: PwlUnit | FloatPwlUnit, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    """The same numbers for integers and floats."""
    x = SPAN * (rng.uniform(-1, 1, shape) if kind == "uniform" else reals(kind, shape, rng))
    if isinstance(unit, FloatPwlUnit):
        assert isinstance(unit.fmt, ArithmeticFloat)
        return {"x": unit.fmt.encode(x).reshape(-1)}
    fmt = unit.x.fmt
    assert isinstance(fmt, IntFormat)
    codes = np.rint(x / float(unit.x.lsb))
    return {"x": np.clip(codes, float(fmt.min_int), float(fmt.max_int)).astype(np.int64).reshape(-1)}


def _requant(unit: RequantUnit, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    """Each sequence has one channel's constants, as one lane of a vector unit has while it serves a column."""
    channel = np.repeat(np.arange(LANES) % unit.channels, shape[1])
    return {"x": operands(kind, unit.x.fmt, shape, rng).reshape(-1), **unit.chosen(channel)}


def _ports(unit: Unit, kind: str, shape: Shape, rng: np.random.Generator) -> Stimulus:
    """Every data port by itself."""
    formats = input_formats(unit)
    pairs = zip(kind.split(", ") if len(formats) > 1 else [kind], formats.items(), strict=True)
    codes = {port: operands(k, fmt, shape, rng).reshape(-1) for k, (port, fmt) in pairs}
    if "first" in {p.name for p in unit.module.ports}:
        codes["first"] = _first(shape, SUM)
    return codes


def input_formats(unit: Unit) -> Mapping[str, Format]:
    """Formats of a unit's operands by port; small floats have both kinds of format."""
    match unit:
        case ElementwiseUnit():
            return {unit.ports[f"in {v.name}"]: v.type.fmt for v in unit.graph.inputs}
        case LutUnit() | ReduceUnit():
            return {"x": unit.x.fmt}
        case FloatAdderUnit(fmt=FloatFormat() as fmt):
            return {"a": fmt, "b": fmt}
        case FloatMultiplierUnit(a=FloatFormat() as a, b=FloatFormat() as b):
            return {"a": a, "b": b}
    raise ValueError(f"{unit.module.name}: no stimuli for a {type(unit).__name__}")
