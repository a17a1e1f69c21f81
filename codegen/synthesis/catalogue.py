"""Which units are recorded in technology tables, with which parameters, under which stimuli.

Held-out entries are synthesized like all others, but no law is fitted to them: they are what laws must predict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hwsim.costs.families import Parameters, checked_parameters, family_named

from ..rtl import Unit
from . import catalogue_units as units

MAKERS: Mapping[str, Callable[..., Unit]] = {
    "mac": units.mac,
    "pe": units.processing_element,
    "pwl": units.pwl,
    "lut": units.lut,
    "requant": units.requant,
    "add": units.add,
    "multiply": units.multiply,
    "reduce": units.reduction,
    "normalize": units.normalizer,
    "block_mac": units.block_mac,
    "float_mac": units.float_mac,
    "float_pwl": units.float_pwl,
    "operator": units.operator,
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One unit to record.

    Args:
        family: of `hwsim.costs.families`.
        parameters: of the family.
        held_out: not fitted to.
        everywhere: recorded on every library; others only where a table is to be estimated with.
    """

    family: str
    parameters: Parameters
    held_out: bool = False
    everywhere: bool = False

    @property
    def unit(self) -> Unit:
        """The Verilog unit."""
        return MAKERS[self.family](**checked_parameters(family_named(self.family), self.parameters))

    @property
    def text(self) -> str:
        """``pwl bits 8, entries 16``."""
        return f"{self.family} {', '.join(f'{k} {v}' for k, v in self.parameters.items())}"


def _entries(family: str, rows: tuple[tuple[int | str, ...], ...], **choices: bool) -> list[Entry]:
    names = family_named(family).parameters
    return [Entry(family=family, parameters=dict(zip(names, row, strict=True)), **choices) for row in rows]


INTEGER_MACS = (
    ("int2", "int2", 12), ("int2", "int2", 24), ("int4", "int2", 16), ("int4", "int4", 24), ("int4", "int4", 32),
    ("int8", "int2", 24), ("int8", "int4", 24), ("int8", "int4", 32), ("int8", "int8", 24), ("int16", "int4", 32),
    ("int16", "int8", 32), ("int16", "int8", 48), ("int16", "int16", 40), ("int16", "int16", 48), ("int3", "int3", 14),
)  # fmt: skip
HELD_MACS = (
    ("int6", "int6", 20), ("int5", "int5", 16), ("int6", "int4", 28), ("int12", "int12", 40), ("int10", "int8", 28),
)  # fmt: skip
SHOWN_MACS = (
    ("int4", "int4", 16), ("int6", "int6", 16), ("int8", "int8", 32), ("fp4_e2m1", "fp4_e2m1", 16),
    ("fp4_e2m1", "fp4_e1m2", 16), ("fp4_e2m1", "fp4_e2m1", 32),
)  # fmt: skip
FLOAT_MACS = (
    ("fp4_e2m1", "fp4_e2m1", 24), ("fp4_e1m2", "fp4_e1m2", 16), ("fp4_e3m0", "fp4_e3m0", 24),
    ("fp6_e2m3", "fp6_e2m3", 24), ("fp6_e3m2", "fp6_e3m2", 32), ("fp6_e3m2", "fp4_e2m1", 24),
    ("fp8_e4m3", "fp8_e4m3", 48), ("fp8_e3m4", "fp8_e3m4", 32),
)  # fmt: skip
HELD_FLOAT_MACS = (("fp6_e2m3", "fp6_e2m3", 32), ("fp6_e2m3", "fp4_e2m1", 20), ("fp8_e2m5", "fp8_e2m5", 28))
EDGE = tuple(("int9", b, acc) for b, acc in (("int8", 32), ("int8", 24), ("int8", 21), ("int4", 32)))
OPERATORS = ("int4", "int6", "fp4_e2m1", "fp6_e3m2", "fp4_e2m1 x fp4_e1m2")
LANES = (("int4", "int4", 24, 8), ("int8", "int4", 32, 8), ("int8", "int8", 32, 4), ("int8", "int8", 32, 16))
PWL = ((4, 8), (8, 4), (8, 32), (8, 64), (12, 8), (16, 4), (16, 32), (24, 8))
PWL_SHOWN = ((8, 8), (8, 16), (16, 8), (16, 16), (32, 8), (32, 16))
PWL_HELD = ((8, 12), (10, 8), (16, 12), (12, 16), (20, 8))

CATALOGUE: tuple[Entry, ...] = (
    *_entries("mac", tuple((*r, 1) for r in SHOWN_MACS), everywhere=True),
    *_entries("operator", tuple((k, f) for k in ("add", "multiply", "mac") for f in OPERATORS), everywhere=True),
    *_entries("pwl", PWL_SHOWN, everywhere=True),
    *_entries("float_pwl", tuple((f, n) for f in ("bf16", "fp32") for n in (8, 16)), everywhere=True),
    *_entries("float_mac", (("bf16", "fp32"), ("fp16", "fp32"), ("fp32", "fp32")), everywhere=True),
    *_entries("mac", tuple((*r, 1) for r in (*INTEGER_MACS, *FLOAT_MACS))),
    *_entries("mac", tuple((*r, 1) for r in (*HELD_MACS, *HELD_FLOAT_MACS)), held_out=True),
    *_entries("mac", LANES),
    *_entries("pe", (*SHOWN_MACS, *INTEGER_MACS, *FLOAT_MACS, *EDGE)),
    *_entries("pe", (*HELD_MACS, *HELD_FLOAT_MACS), held_out=True),
    *_entries("pwl", PWL),
    *_entries("pwl", PWL_HELD, held_out=True),
    *_entries("lut", ((4, 4), (4, 16), (6, 8), (8, 8), (8, 16))),
    *_entries("lut", ((7, 8), (6, 12)), held_out=True),
    *_entries("requant", ((16, 8), (24, 8), (32, 4), (32, 8), (32, 16), (32, 32), (40, 8))),
    *_entries("requant", ((28, 8), (24, 16)), held_out=True),
    *_entries("add", ((8,), (16,), (32,), (48,))),
    *_entries("add", ((24,), (40,)), held_out=True),
    *_entries("multiply", ((4, 4), (8, 8), (16, 8), (16, 16), (24, 16))),
    *_entries("multiply", ((12, 12), (16, 12)), held_out=True),
    *_entries("reduce", ((8, 16), (8, 32), (16, 24), (16, 32), (32, 48))),
    *_entries("reduce", ((12, 24), (24, 40)), held_out=True),
    *_entries("normalize", ((16,), (24,), (32,), (48,))),
    *_entries("normalize", ((20,), (40,)), held_out=True),
    *_entries("block_mac", tuple((f, n) for f in ("mxfp4", "nvfp4", "mxint8") for n in (1, 8))),
)  # fmt: skip
