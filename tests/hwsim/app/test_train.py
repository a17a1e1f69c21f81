import pytest

training = pytest.importorskip("algos.training")


def test_the_seed_is_named_and_handed_on(hwsim, monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(training, "train", lambda name, seed, out: calls.append((name, seed, out)))
    status, out, _ = hwsim("train", "mlp", "--seed", 3, "-o", tmp_path / "t")
    assert status == 0
    assert calls == [("mlp", 3, tmp_path / "t")]
    assert "seed 3" in out
    assert f"written to {tmp_path / 't'}" in out


def test_bad_names_and_places(hwsim, refused, blocked, tmp_path):
    status, _, err = hwsim("train", "gpt5", "-o", tmp_path / "t")
    assert status == 2
    assert "gpt5" in err
    assert "mlp" in err
    assert not (tmp_path / "t").exists()
    assert str(blocked.parent) in refused("train", "mlp", "-o", blocked)
