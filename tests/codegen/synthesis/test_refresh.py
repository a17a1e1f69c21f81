"""Technology tables are made again: the same figures from the same Yosys, nothing for a wrong netlist."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from codegen.synthesis import library_named, refresh
from codegen.synthesis.catalogue import CATALOGUE, Entry
from codegen.synthesis.refresh import measured
from codegen.synthesis.yosys import tools, version
from hwsim.costs.laws import unit_cost
from hwsim.costs.technology import technology_named

pytestmark = pytest.mark.skipif(
    not tools(), reason="Yosys is not installed: recorded tables serve, they are not remade"
)
SMALL = (
    Entry(family="add", parameters={"bits": 24}, held_out=True),
    Entry(family="mac", parameters={"a": "int6", "b": "int6", "acc": 20, "lanes": 1}, held_out=True),
    Entry(family="mac", parameters={"a": "fp6_e2m3", "b": "fp4_e2m1", "acc": 20, "lanes": 1}, held_out=True),
    Entry(family="pe", parameters={"a": "int5", "b": "int5", "acc": 16}, held_out=True),
    Entry(family="pwl", parameters={"bits": 10, "entries": 8}, held_out=True),
)


@pytest.mark.parametrize("entry", SMALL, ids=lambda e: e.text)
def test_the_laws_predict_what_is_synthesized_now(entry: Entry) -> None:
    """Held-out units, synthesized by the Yosys at hand: within 10 % of the area, 15 % of the power.

    Releases of Yosys differ by up to 20 %, so this asks for the one that made the tables.
    """
    technology = technology_named("gate-equivalents")
    recorded = technology.record["tools"]["synthesis"]
    if version(tools()[0]).split(" (")[0] != recorded.split(" (")[0]:
        pytest.skip(f"the tables were made by {recorded}, here is {version(tools()[0])}")
    others = [u for u in technology.units.values() if u.family == entry.family and not u.held_out]
    known = dataclasses.replace(technology, units={tuple(map(str, u.parameters.values())): u for u in others})
    cost, made = (
        unit_cost(known, entry.family, **entry.parameters),
        measured(entry, library_named("gate-equivalents"), tools()[0]),
    )
    assert cost.area.kind == "fitted"
    assert cost.area.value == pytest.approx(made["area"], rel=0.10)
    still = [
        leak / 200e6 * 1e12 + clock
        for leak, clock in ((cost.leakage.value, cost.clock.value), (made["leakage_w"], made["clock_pj"]))
    ]
    for run in made["runs"]:
        assert cost.dynamic(run["activity"]).value + still[0] == pytest.approx(run["dynamic_pj"] + still[1], rel=0.15)
    found = technology.recorded(entry.family, **entry.parameters)
    assert found is not None
    assert (made["area"], made["cell_count"]) == (pytest.approx(found.area, rel=1e-6), found.record["cell_count"])


def test_refresh_writes_and_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units are made once; a change of Verilog or of the library makes them again; those that left are dropped."""
    library, path = library_named("gate-equivalents"), tmp_path / "toy.json"
    two = (Entry(family="add", parameters={"bits": 4}), Entry(family="multiply", parameters={"a": 3, "b": 3}))
    said: list[str] = []
    assert refresh.refresh("toy", library, two, path, said.append) == 2
    assert refresh.refresh("toy", library, two, path, said.append) == 0
    assert [re.sub(r": [\d.,]+ NAND2$", "", s) for s in said] == ["toy: add bits 4", "toy: multiply a 3, b 3"]
    first = json.loads(path.read_text())
    assert refresh.refresh("toy", library, two, path, said.append, again=True) == 2
    assert json.loads(path.read_text()) == first
    assert refresh.refresh("toy", library, two[1:], path, said.append) == 0
    assert [u["family"] for u in json.loads(path.read_text())["units"]] == ["multiply"]
    for name, another in (
        ("verilog_sha256", lambda unit: "another"),
        ("script_hashes", lambda unit, library: set()),
        ("SEED", 2),
    ):
        with monkeypatch.context() as m:
            m.setattr(refresh, name, another)
            assert refresh.refresh("toy", library, two[1:], path, said.append) == 1
    assert refresh.refresh("toy", library, two[1:], path, said.append) == 1  # the seed is back
    read = technology_named(str(path))
    assert read.recorded("multiply", a=3, b=3).area == first["units"][1]["area"]


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """The table is untouched until all is made; what was made is not made again."""
    library, path = library_named("gate-equivalents"), tmp_path / "toy.json"
    two = (Entry(family="add", parameters={"bits": 4}), Entry(family="multiply", parameters={"a": 3, "b": 3}))
    refresh.refresh("toy", library, two, path, lambda text: None)
    before = path.read_text()

    def stop(text: str) -> None:
        if "multiply" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh.refresh("toy", library, two, path, stop, again=True)
    assert path.read_text() == before
    assert refresh.refresh("toy", library, two, path, lambda text: None, again=True) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["toy.json"]


def test_a_wrong_netlist_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verilog that subtracts where it should add is refused, with the value that differs."""
    from codegen.synthesis import benches

    entry = Entry(family="add", parameters={"bits": 4})
    true = benches.emit_verilog

    def wrong(unit: object) -> dict[str, str]:
        return {n: re.sub(r"(\w+) \+ (\w+)", r"\1 - \2", text) for n, text in true(unit).items()}

    monkeypatch.setattr(benches, "emit_verilog", wrong)
    with pytest.raises(ValueError, match="no area for a wrong netlist"):
        measured(entry, library_named("gate-equivalents"), tools()[0])


def test_the_catalogue_is_what_is_shipped() -> None:
    """Every entry of the catalogue is in the two whole tables, those for everywhere in all."""
    for name in ("gate-equivalents", "sg13g2", "osu018", "sky130hd", "gt2n"):
        t = technology_named(name)
        wanted = [e for e in CATALOGUE if e.everywhere or name in ("gate-equivalents", "sg13g2")]
        missing = [e.text for e in wanted if not t.recorded(e.family, **e.parameters)]
        assert not missing
