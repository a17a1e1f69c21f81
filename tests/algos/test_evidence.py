"""The record of measured figures: every row of a small run, written as it goes."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the measurement of evidence (hwsim[algos])")

from algos import evidence  # noqa: E402
from algos.evaluation import main  # noqa: E402
from algos.lsq import LSQ  # noqa: E402
from algos.training import MODELS, Batches  # noqa: E402


@pytest.fixture
def small(monkeypatch, smartwatch):
    """The smartwatch network on a part of its data, one epoch each; a second fold whose test set is smaller."""
    parts = {split: (x[::12], y[::12]) for split, (x, y) in smartwatch.items()}

    def data(split, out=()):
        x, y = parts[split]
        return (x[:30], y[:30]) if out and split == "test" else (x, y)

    monkeypatch.setattr(evidence, "CALIBRATION", 32)
    monkeypatch.setitem(MODELS, "ds-cnn", replace(MODELS["ds-cnn"], data=data, epochs=1))
    plan = evidence.Plan(
        knobs=LSQ(epochs=1), batch=64, widths=(("int4", "int8"),), floats=2, folds=((1, 2), evidence.WATCH_TEST)
    )
    monkeypatch.setitem(evidence.PLANS, "ds-cnn", plan)
    return plan


def test_rows_and_summary(tmp_path, capsys, small):
    path = tmp_path / "new" / "figures.json"
    main(["--write", str(path), "ds-cnn", "--seeds", "2"])
    record = json.loads(path.read_text())["ds-cnn"]
    assert [(r["contract"], r["observer"]) for r in record["ptq"]] == [
        *((c, "minmax") for c in ("dyadic16", "pow2", "tfl_single", "tflm_double", "onnx_float")),
        *(("dyadic16", o) for o in ("percentile", "mse")),
    ]
    wanted = [(seed, list(fold)) for seed in (0, 1) for fold in small.folds]
    for table in ("int8", "qat"):
        assert [(r["seed"], r["fold"]) for r in record[table]] == wanted
    assert all(0 < r["accuracy"] <= 1 and 0 < r["same"] <= 1 for r in (*record["ptq"], *record["qat"]))
    int8, qat = record["summary"]
    assert (int8["weights"], qat["weights"], qat["seeds"]) == ("int8", "int4", 2)
    right = [[round(r["accuracy"] * r["samples"]) for r in record["qat"] if r["seed"] == s] for s in (0, 1)]
    assert [r["samples"] for r in record["qat"][:2]] == [30, qat["samples"] - 30]
    shares = [sum(folds) / qat["samples"] for folds in right]
    assert qat["mean"] == pytest.approx(np.mean(shares))
    assert qat["spread"] == pytest.approx(abs(shares[0] - shares[1]))
    assert "ds-cnn qat" in capsys.readouterr().out
    kept = {p.name for p in (path.parent / "trained").iterdir()}
    assert kept == {f"ds-cnn-{n}.front.npz" for n in ("0-1-2", "1-1-2", "1-9-10")}  # 0-9-10 is the shipped one
    main(["--write", str(path), "ds-cnn", "--seeds", "0", "--only-training"])
    assert json.loads(path.read_text())["ds-cnn"]["qat"] == []


def test_unknown_names(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["--write", str(tmp_path / "x.json"), "resnet9"])
    assert "resnet9 is unknown: use mlp, resnet8, vit-tiny, ds-cnn" in capsys.readouterr().err


def test_batches_shuffle_anew_and_repeat_by_seed():
    example = replace(MODELS["mlp"], batch=4)
    x, y = np.arange(10 * 4, dtype=np.uint8).reshape(10, 2, 2), np.arange(10)
    walks = [[labels.tolist() for _, labels in batches] for batches in (Batches(example, x, y, 3),) * 2]
    assert [len(part) for part in walks[0]] == [4, 4, 2]
    assert [sorted(n for part in walk for n in part) for walk in walks] == [list(range(10))] * 2
    assert walks[0] != walks[1]
    assert [labels.tolist() for _, labels in Batches(example, x, y, 3)] == walks[0]
