import pytest

training = pytest.importorskip("algos.training")


def test_the_seed_is_named_and_handed_on(hwsim, monkeypatch, tmp_path):
    calls = []

    def train(name, seed, out, *, quiet):
        calls.append((name, seed, out, quiet))
        return {"model": name, "seed": seed, "test_accuracy": 0.9}

    monkeypatch.setattr(training, "train", train)
    status, out, _ = hwsim("train", "mlp", "--seed", 3, "-o", tmp_path / "t", "-q")
    assert status == 0
    assert calls == [("mlp", 3, tmp_path / "t", True)]
    assert "seed 3" in out
    assert f"written to {tmp_path / 't'}" in out


def test_bad_names_and_places(refused, blocked, tmp_path):
    line = refused("train", "gpt5", "-o", tmp_path / "t")
    assert "gpt5" in line
    assert "mlp" in line
    assert not (tmp_path / "t").exists()
    assert str(blocked.parent) in refused("train", "mlp", "-o", blocked)
