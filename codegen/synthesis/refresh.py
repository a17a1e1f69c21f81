"""Technology tables: the catalogue, synthesized, checked and measured on one library, as the JSON that hwsim ships.

A unit is made anew only where its Verilog, the library, the script, the tool or its stimuli have changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import hwsim
from hwsim.costs.families import family_named
from hwsim.costs.technology import PICO, SCHEMA, technology_named
from hwsim.store import write_atomically

from ..rtl import Unit
from .benches import bench_of, verilog_of
from .catalogue import Entry
from .catalogue_stimuli import LANES, activity, kinds, stimulus
from .cells import Library
from .checked import check
from .record import record, verilog_sha256
from .yosys import Synthesized, Tool, script_hashes, synthesize, tools, version

SEED = 1
FREQUENCY = 200e6  # hertz, of the recorded powers; energies a cycle do not depend on it
NODES = {"osu018": 180.0, "sg13g2": 130.0, "sky130hd": 130.0, "gt2n": 2.0}  # nm, as their makers call them


def header(name: str, library: Library, tool: Tool) -> dict[str, Any]:
    """What all units of a table share."""
    return {
        "schema": SCHEMA,
        "name": name,
        "node_nm": NODES.get(name),
        "voltage_v": library.voltage,
        "area_unit": library.area_unit,
        "nand2_area": library.nand2.area,
        "library": {"name": library.name, "source": library.source, "licence": library.licence,
                    "sha256": library.sha256, "left_out": list(library.left_out)},
        "tools": {"synthesis": version(tool), "hwsim": hwsim.__version__, "numpy": np.__version__},
        "stimuli": {"seed": SEED, "lanes": LANES},
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }  # fmt: skip


def measured(entry: Entry, library: Library, tool: Tool) -> dict[str, Any]:
    """One unit: figures of its netlist, checked under every stimulus.

    Raises:
        ValueError: a netlist that differs from the unit's op in one bit; what `synthesize` refuses.
        RuntimeError: Yosys' complaint.
    """
    unit = entry.unit
    made = synthesize(verilog_of(unit), library, tool)
    runs = [_run(entry, unit, made, kind) for kind in kinds(unit)]
    whole = runs[0][0]
    power = whole["power"]
    return {
        "family": entry.family,
        "parameters": dict(entry.parameters),
        "held_out": entry.held_out,
        "verilog_sha256": whole["unit"]["verilog_sha256"],
        "script_sha256": made.script_sha256,
        "check": whole["check"],
        "area": whole["area"]["total"],
        "register_area": whole["area"]["registers"],
        "cell_count": whole["cell_count"],
        "register_count": whole["register_count"],
        "depth": whole["depth"],
        **({"critical_path_s": whole["timing"]["critical_path_s"]} if "timing" in whole else {}),
        "power_model": power["model"],
        "clock_pj": power["clocked"]["clock_w"] / FREQUENCY * PICO,
        "gated_clock_pj": power["gated"]["clock_w"] / FREQUENCY * PICO,
        "leakage_w": power["clocked"]["leakage_w"],
        "runs": [run for _, run in runs],
    }


def _run(entry: Entry, unit: Unit, made: Synthesized, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record of a stimulus, and what a table keeps of it."""
    codes = stimulus(unit, kind, SEED)
    found = record(check(made, bench_of(unit, codes, LANES, kind)), frequency=FREQUENCY)
    power = found["power"]["clocked"]
    return found, {
        "stimulus": kind,
        "sha256": found["check"]["sha256"],
        "activity": activity(unit, codes, family_named(entry.family).activity),
        "dynamic_pj": (power["switching_w"] + power["internal_w"]) / FREQUENCY * PICO,
    }


def refresh(
    name: str, library: Library, entries: Iterable[Entry], path: Path, say: Callable[[str], None], again: bool = False
) -> int:
    """Write a technology table. What is made goes to a ``.partial`` file first, from which a later run goes on.

    Args:
        name: of the table.
        library: the cells.
        entries: what it shall hold; units of the file that are not among them are dropped.
        path: the file.
        say: told of each unit.
        again: whether units are made anew that need not be.

    Returns:
        How many units were made.

    Raises:
        ValueError: no Yosys; a file of another library.
    """
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: no such folder, so {path.name} cannot be written there")
    if path.is_file() and (old := technology_named(str(path)).record["library"]["name"]) != library.name:
        raise ValueError(f"{path.name} is of {old}, not of {library.name}: write elsewhere, or remove it first")
    if not (found := tools()):
        raise ValueError("no Yosys found: recorded tables serve without it, to make them again install yosys")
    head, begun = header(name, library, found[0]), path.with_suffix(".partial")
    kept = ({} if again else _kept(path, head)) | _kept(begun, head)
    units: list[dict[str, Any]] = []
    made = 0
    for entry in entries:
        if (old := kept.get(entry.text)) and _current(entry, old, library):
            units.append(old | {"held_out": entry.held_out})
            continue
        units.append(measured(entry, library, found[0]))
        made += 1
        say(f"{name}: {entry.text}: {units[-1]['area']:,.6g} {library.area_unit}")
        _write(begun, head, units)
    if not made and path.is_file():  # the date is that of the last unit made
        head["date"] = json.loads(path.read_text())["date"]
    _write(path, head, units)
    begun.unlink(missing_ok=True)
    return made


def _kept(path: Path, head: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Units of a file, by text, if the same library, tools and stimuli made them."""
    data = json.loads(path.read_text()) if path.is_file() else {}
    if any(data.get(k) != head[k] for k in ("library", "tools", "stimuli")):
        return {}
    return {Entry(family=u["family"], parameters=u["parameters"]).text: u for u in data["units"]}


def _current(entry: Entry, old: Mapping[str, Any], library: Library) -> bool:
    """Whether Verilog, script and stimuli would be the same again."""
    unit = entry.unit
    made = verilog_of(unit)
    if old["verilog_sha256"] != verilog_sha256(made) or old["script_sha256"] not in script_hashes(made, library):
        return False
    first, *_ = names = kinds(unit)
    bench = bench_of(unit, stimulus(unit, first, SEED), LANES, first)
    return [r["stimulus"] for r in old["runs"]] == list(names) and old["runs"][0]["sha256"] == bench.sha256()


def _write(path: Path, head: Mapping[str, Any], units: Iterable[Mapping[str, Any]]) -> None:
    """One unit a line: short, and a change of one unit is a change of one line."""
    lines = ",\n".join(json.dumps(_rounded(u), allow_nan=False) for u in units)
    top = json.dumps(head, indent=1, allow_nan=False).removesuffix("\n}")
    write_atomically(path, f'{top},\n "units": [\n{lines}\n ]\n}}\n'.encode())


def _rounded(value: Any) -> Any:
    """Seven digits of every float: more than any figure here means."""
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value
