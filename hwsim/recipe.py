"""What the user wants: which tensor gets which format, granularity, contract and calibration rule."""

from __future__ import annotations

import fnmatch
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .blockformats import weight_format_named
from .blocks import LayerNorm, Softmax
from .contracts import contract_named
from .formats import format_named
from .observers import OBSERVERS
from .ops.datapath import PLAIN, Datapath, accumulator_named
from .rounding import check_rounding
from .tables import Table, read_table

BOOLEANS = ("per_channel", "symmetric", "power_of_two", "bias_correction")
BLOCKS: dict[str, type[Any]] = {"softmax": Softmax, "layernorm": LayerNorm, "datapath": Datapath}
EQUALIZE = ("none", "weights", "activations")
WHOLE = {"equalize", "bias_correction", "tables"}
TABLED = ("gelu", "gelu_tanh", "hswish", "hsigmoid", "sigmoid", "tanh", "silu", "exp", "log", "reciprocal", "rsqrt")
"""Functions that models have: activations, and what softmax and norms are made of."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Quantization settings; TOML form with the same keys, and ``[overrides."layer*"]`` tables for single layers.

    Args:
        weights: format of weights (symmetric), or of the blocks of a linear layer's, see `hwsim.blockformats`.
        activations: format of activations, an integer one.
        operands: format of what linear layers and products of two values read, where it is not that of activations:
            integers, floats such as ``fp4_e2m1``, or blocks such as ``mxfp4``. See `hwsim.lowering.operands`.
        per_channel: one weight scale an output channel, or one for all.
        symmetric: zero_point 0 for activations too.
        power_of_two: round every scale up to a power of two (always so under ``pow2``).
        contract: requantization contract, see `hwsim.contracts`.
        rounding: of ``dyadic16`` and ``pow2``.
        observer: calibration rule, see `hwsim.observers`.
        equalize: move scale between channels of neighbouring layers, see `hwsim.lowering.equalization`:
            ``none``, ``weights`` (of both layers alike) or ``activations`` (against the weights that read them).
        bias_correction: take the mean error of each channel out of its bias, see `hwsim.lowering.correction`.
        residual: format of a transformer's residual stream, what norms and softmax read: see `hwsim.lowering.roles`.
        softmax: widths inside softmax, see `hwsim.blocks.Softmax`; a table of them will do, ``[softmax]`` in TOML.
        layernorm: widths inside layer_norm and rms_norm, see `hwsim.blocks.LayerNorm`.
        accumulator: of linear and convolution layers, ``int16`` or any other ``int<bits>``; empty takes the first of
            INT32, INT48 and INT64 that provably cannot overflow. With one, activations are symmetric: a zero point
            folded into the bias could fill it before the first product.
        datapath: what that accumulator does at its limits, see `hwsim.ops.datapath.Datapath`; ``[datapath]`` in TOML.
        tables: fitted piecewise-linear tables by function, see `hwsim.tables`: what `TABLED` names may have one. In
            TOML ``[tables]`` with a file a function, as ``hwsim fit-lut --json`` writes it.
        overrides: (glob over layer names, settings) pairs; later ones win.
    """

    weights: str = "int8"
    activations: str = "int8"
    operands: str = ""
    per_channel: bool = True
    symmetric: bool = False
    power_of_two: bool = False
    contract: str = "dyadic16"
    rounding: str = "half_up"
    observer: str = "minmax"
    equalize: str = "none"
    bias_correction: bool = False
    residual: str = "int16"
    softmax: Softmax = field(default_factory=Softmax)
    layernorm: LayerNorm = field(default_factory=LayerNorm)
    accumulator: str = ""
    datapath: Datapath = PLAIN
    tables: Mapping[str, Table] = field(default_factory=dict)
    overrides: tuple[tuple[str, dict[str, Any]], ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for names that nothing knows, in overrides too."""
        for key in BLOCKS:
            object.__setattr__(self, key, block_of(key, getattr(self, key)))
        object.__setattr__(self, "tables", tables_of(self.tables))
        for key in (f.name for f in fields(self) if f.name not in ("tables", "overrides")):
            want = bool if key in BOOLEANS else BLOCKS.get(key, str)
            if not isinstance(getattr(self, key), want):
                kind = f"table, [{key}] in TOML" if key in BLOCKS else want.__name__
                raise ValueError(f"recipe: {key} = {getattr(self, key)!r} must be a {kind}")
        weights = weight_format_named(self.weights)
        format_named(self.activations)
        if self.operands:
            weight_format_named(self.operands)
        residual = format_named(self.residual)
        if not getattr(residual, "signed", False):
            raise ValueError(f"recipe: residual {self.residual!r} must be a signed integer format")
        self._check_accumulator()
        contract_named(self.contract)
        check_rounding(self.rounding)
        if self.observer not in OBSERVERS:
            raise ValueError(f"recipe: observer {self.observer!r} is unknown: use one of {', '.join(OBSERVERS)}")
        if self.equalize not in EQUALIZE:
            raise ValueError(f"recipe: equalize {self.equalize!r} is unknown: use one of {', '.join(EQUALIZE)}")
        if not getattr(weights, "signed", True):
            raise ValueError(f"recipe: weights {self.weights!r} must be a signed format")
        if len({p for p, _ in self.overrides}) != len(self.overrides):
            raise ValueError(f"recipe: overrides name a layer twice: {[p for p, _ in self.overrides]}")
        for pattern, settings in self.overrides:
            if whole := set(settings) & WHOLE:
                raise ValueError(f"recipe: {sorted(whole)} of {pattern!r} is for the whole model, not for one layer")
            self._with(settings)

    def _check_accumulator(self) -> None:
        if self.accumulator:
            self.datapath.check("recipe", accumulator_named(self.accumulator))
        elif self.datapath != PLAIN:
            raise ValueError(
                f"recipe: {self.datapath} without an accumulator; give accumulator = 'int16' or another, or no datapath"
            )

    @property
    def powers_of_two(self) -> bool:
        """Whether scales must be powers of two."""
        return self.power_of_two or self.contract == "pow2"

    def at(self, *names: str) -> Recipe:
        """The settings for one layer, overrides applied; a layer with a fused clamp goes by both names."""
        r = replace(self, overrides=())
        for pattern, settings in self.overrides:
            if any(fnmatch.fnmatchcase(name, pattern) for name in names):
                r = r._with(settings)
        return r

    def _with(self, settings: dict[str, Any]) -> Recipe:
        unknown = set(settings) - {f.name for f in fields(self)} | set(settings) & {"overrides"}
        if unknown:
            keys = ", ".join(f.name for f in fields(self))
            raise ValueError(f"recipe: unknown keys {sorted(unknown)}: use {keys}")
        return replace(self, overrides=(), **settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON / TOML data; inverse of `from_dict`."""
        plain = {
            p: {k: asdict(v) if isinstance(v, Softmax | LayerNorm | Datapath) else v for k, v in s.items()}
            for p, s in self.overrides
        }
        tables = {name: table.to_json() for name, table in self.tables.items()}
        return {**asdict(replace(self, tables={})), "tables": tables, "overrides": plain}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recipe:
        """A recipe from plain data; ValueError names unknown keys and values."""
        data = dict(data)
        overrides = data.pop("overrides", {})
        if not isinstance(overrides, dict) or not all(isinstance(s, dict) for s in overrides.values()):
            raise ValueError('recipe: overrides must be tables, [overrides."layer*"]')
        return replace(cls()._with(data), overrides=tuple((p, dict(s)) for p, s in overrides.items()))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Recipe:
        """A recipe from a TOML file; files of tables are looked for beside it."""
        try:
            data = tomllib.loads(Path(path).read_text())
            if isinstance(named := data.get("tables"), dict):
                beside = Path(path).parent
                data["tables"] = {k: read_table(beside / f) if isinstance(f, str) else f for k, f in named.items()}
            return cls.from_dict(data)
        except (ValueError, TypeError) as e:
            raise ValueError(f"{path}: {e}") from None


def tables_of(given: Any) -> dict[str, Table]:
    """Tables by function, from tables or their JSON form."""
    if not isinstance(given, Mapping):
        raise ValueError(f"recipe: tables = {given!r} must be tables by function, [tables] in TOML")
    tables = {}
    for name, t in given.items():
        try:
            tables[name] = t if isinstance(t, Table) else Table.from_json(t)
        except ValueError as e:
            raise ValueError(f"recipe: tables, {name!r}: {e}") from None
    for name, table in tables.items():
        if name not in TABLED:
            raise ValueError(f"recipe: tables of {name!r} are not used: use {', '.join(TABLED)}")
        if table.function != name:
            raise ValueError(f"recipe: the table for {name!r} is one of {table.function!r}")
    return tables


def block_of(key: str, value: Any) -> Any:
    """The widths of a block, or a datapath, from a table."""
    if not isinstance(value, dict):
        return value
    known = [f.name for f in fields(BLOCKS[key])]
    if unknown := set(value) - set(known):
        raise ValueError(f"recipe: unknown keys {sorted(unknown)} in {key}: use {', '.join(known)}")
    return BLOCKS[key](**value)
