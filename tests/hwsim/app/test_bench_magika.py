"""Magika: the front graph is the file, and its integers mostly give the float model's answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hwsim.app import bench_magika
from hwsim.app.magika import CLEAR, LABELS, UNCLEAR, known_files, label_names, model_folder, tokens_of

pytest.importorskip("magika", reason="the float model is in package magika")
ort = pytest.importorskip("onnxruntime")


def test_tokens_are_those_of_the_package() -> None:
    row = tokens_of(b"  ab\n" + b"x" * 1500 + b"yz \n")
    assert row[:4].tolist() == [*b"ab\nx"]
    assert row[-3:].tolist() == [*b"xyz"]
    assert tokens_of(b"ab").tolist() == [97, 98] + [256] * 2044 + [97, 98]
    assert tokens_of(b"  ").tolist() == [256] * 2048


def test_files_of_known_type_are_disjoint_and_labelled() -> None:
    seen, test = known_files(4)
    assert not {*map(bytes, seen.tokens)} & {*map(bytes, test.tokens)}
    assert set(test.kinds) <= set(LABELS)
    assert len(test.tokens) == len(test.kinds) >= 40
    assert not CLEAR.keys() & UNCLEAR.keys()
    assert {label for labels in LABELS.values() for label in labels} <= set(label_names())


def test_the_front_graph_is_the_file() -> None:
    front = bench_magika.float_model()
    ops = ["embedding", "reshape", "transpose", "layer_norm", "transpose", "reshape", "transpose", "conv2d"]
    assert [n.op for n in front.nodes][: len(ops)] == ops
    _, test = known_files(2)
    session = ort.InferenceSession(model_folder() / "model.onnx", providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"bytes": test.tokens[:8]})
    np.testing.assert_allclose(front.evaluate({"bytes": test.tokens[:8]})["target_label"], wanted, atol=1e-5)


def test_integers_with_small_tables_answer_as_float_does(hwsim, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(bench_magika, "EACH", 4)
    monkeypatch.setattr(bench_magika, "CASES", (("minmax", 8),))
    monkeypatch.setattr(bench_magika, "mismatches", lambda graph, tokens: {"none": len(tokens)})
    status, out, err = hwsim("bench", "magika", "--json", tmp_path / "m.json")
    figures = json.loads((tmp_path / "m.json").read_text())["magika"]
    (row,) = figures["rows"]
    assert (status, row["entries"], row["verified"]) == (0, 8, {"none": bench_magika.VERIFIED})
    assert row["clear_same"] <= row["same"] <= figures["files"] == sum(figures["types"].values())
    assert figures["clear_files"] >= 30
    assert row["same"] >= 0.95 * figures["files"]
    assert f"{figures['files']} files" in out
    assert "2/2" in err


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install --no-deps magika"):
        model_folder()
