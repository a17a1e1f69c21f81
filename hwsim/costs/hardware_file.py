"""Hardware descriptions on disk: TOML, every key known, every value of its type; errors name file and key."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .families import family_named
from .hardware import Hardware, MatrixUnit, Sram, VectorUnit

FOLDER = Path(__file__).parent / "hardware"
MEMORIES = ("weights", "activations", "outputs")
TYPES = {str: "a string", int: "an integer", float: "a number", bool: "true or false", dict: "a table", list: "tables"}
TOP: dict[str, type] = {
    "technology": str, "clock_hz": float, "numbers": str, "gated": bool, "arrays": list, "vector": dict, "sram": dict,
    "dram": dict,
}  # fmt: skip
ARRAY: dict[str, type] = {
    "name": str, "rows": int, "columns": int, "dataflow": str, "lanes": int, "a": str, "b": str, "accumulator": int,
    "block": str, "float": str,
}  # fmt: skip


def shipped_hardware() -> tuple[str, ...]:
    """Names of the descriptions that come with hwsim."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.toml")))


def hardware_named(name: str) -> Hardware:
    """A shipped description, or a ``.toml`` file of one, which may name a table beside it.

    Raises:
        ValueError: neither; unknown, missing or impossible keys, with the file's name.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise ValueError(
            f"hardware {name!r}: no such file, and not shipped; shipped are {', '.join(shipped_hardware())}"
        )
    try:
        data = tomllib.loads(path.read_text())
        beside = path.parent / str(data.get("technology", ""))
        return hardware_of(path.stem, data | ({"technology": str(beside)} if beside.suffix == ".json" else {}))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ValueError(f"{path.name}: no TOML: {e}") from None
    except ValueError as e:
        raise ValueError(f"{path.name}: {e}") from None


def hardware_of(name: str, data: Mapping[str, Any]) -> Hardware:
    """From the data of a TOML file; ValueError names the key."""
    top = _checked("", data, TOP, needed=("technology", "clock_hz", "arrays", "vector", "sram", "dram"))
    memories = _checked("sram.", top.pop("sram"), dict.fromkeys(MEMORIES, dict), needed=MEMORIES)
    dram = _checked("dram.", top.pop("dram"), {"bits_per_cycle": int}, needed=("bits_per_cycle",))
    return Hardware(
        name=name,
        arrays=tuple(_array(i, a) for i, a in enumerate(top.pop("arrays"))),
        vector={family: _vector(family, v) for family, v in top.pop("vector").items()},
        dram_bits=dram["bits_per_cycle"],
        **{key: _built(f"sram.{key}", Sram, m, {"bytes": int, "port_bits": int}) for key, m in memories.items()},
        **top,
    )


def _array(i: int, data: Any) -> MatrixUnit:
    where = f"arrays[{i}]."
    made = _checked(where, data, ARRAY, needed=("name", "rows", "columns"))
    if "float" in made:
        made["floating"] = made.pop("float")
    return _named(where, MatrixUnit, made)


def _vector(family: str, data: Any) -> VectorUnit:
    where = f"vector.{family}."
    _checked("vector.", {family: data}, {family: dict}, needed=())
    parameters = family_named(family).parameters
    made = _checked(where, data, {"lanes": int, **dict.fromkeys(parameters, object)}, needed=("lanes", *parameters))
    lanes = made.pop("lanes")
    return _named(where, VectorUnit, {"family": family, "lanes": lanes, "parameters": made})


def _built(where: str, make: Callable[..., Any], data: Any, known: dict[str, type]) -> Any:
    return _named(f"{where}.", make, _checked(f"{where}.", data, known, needed=tuple(known)))


def _named(where: str, make: Callable[..., Any], made: Mapping[str, Any]) -> Any:
    try:
        return make(**made)
    except ValueError as e:
        raise ValueError(f"{where[:-1]}: {e}") from None


def _checked(where: str, data: Any, known: Mapping[str, type], *, needed: tuple[str, ...]) -> dict[str, Any]:
    """A copy of `data`; ValueError for keys that are unknown or missing, and values of another type."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{where[:-1]}: must be a table")
    if unknown := [k for k in data if k not in known]:
        raise ValueError(f"key {where}{unknown[0]} is unknown; there are {', '.join(known)}")
    if missing := [k for k in needed if k not in data]:
        raise ValueError(f"key {where}{missing[0]} is missing")
    for key, value in data.items():
        kind = known[key]
        right = isinstance(value, int | str) if kind is object else isinstance(value, kind)
        right |= kind is float and isinstance(value, int)
        if not right or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"key {where}{key} is {value!r}, must be {TYPES.get(kind, 'an integer or a name')}")
    return dict(data)
