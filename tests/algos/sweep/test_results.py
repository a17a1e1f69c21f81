import csv
import json

import pytest

from .conftest import CHOICES


def test_files(small, tmp_path):
    swept = small(folder=tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    rows = [dict(zip(document["columns"], p, strict=True)) for p in document["points"]]
    assert [{k: v for k, v in r.items() if v is not None} for r in rows] == list(swept.rows)
    assert [rows[i] for i in document["front"]] == [dict.fromkeys(swept.columns) | r for r in swept.front]
    assert (document["samples"], document["search"], document["seed"]) == (40, "grid", 0)
    assert document["choices"]["accumulator"] == CHOICES["accumulator"]
    with (tmp_path / "results.csv").open(newline="") as f:
        found = list(csv.DictReader(f))
    assert [r["energy_uj"] for r in found] == [str(r.get("energy_uj", "")) for r in swept.rows]
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(tmp_path / "results.parquet").to_pylist()
    assert table == rows


def test_it_shows_itself(small):
    swept = small({"choices": {"tables": ["whole", 4], "accumulator": ["proven", "int6:saturate"]}})
    assert "2 on the Pareto front" in str(swept), "the small model has no functions: both are equally good"
    assert "refused 2 of 2" in str(swept)
    assert "tables" in str(swept).splitlines()[0]
    assert "<table>" in swept._repr_html_()
    assert "contract" not in str(swept)


def test_tables_of_settings_are_cells(small, tmp_path):
    swept = small({"choices": {"path": [{"softmax": {"mantissa": 8}}, {"weights": "int4"}]}}, folder=tmp_path)
    assert len(swept.fine) == 2
    assert '{""mantissa"": 8}' in (tmp_path / "results.csv").read_text()
