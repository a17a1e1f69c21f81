import sys

import numpy as np

from hwsim import compare


def test_tensors(hwsim, tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    np.savez(tmp_path / "t.npz", w=x, ints=np.arange(8))
    status, out, _ = hwsim("compare", tmp_path / "t.npz", "--formats", "int8, mxfp4")
    assert status == 0
    table = out.split("w, 3 x 64")[1].split("ints, 8")[0]
    cells = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line.startswith(("int8", "mxfp4"))}
    for row in compare(x, ["int8", "mxfp4"]):
        assert cells[row.format] == [f"{row.bits:.2f}", f"{row.sqnr_db:.1f}", f"{row.mse:.3g}", f"{row.max_error:.3g}"]


def test_a_model(hwsim):
    status, out, err = hwsim("compare", "mlp", "--formats", "int8,mxfp4", "--samples", 64)
    assert status == 0
    assert "2/2" in err
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.startswith(("int8", "mxfp4"))}
    assert float(rows["int8"][-1]) > float(rows["mxfp4"][-1]) > 10
    assert rows["int8"][2:4:1][0] == "%"


def test_what_cannot_be_lowered_is_told_below_the_rest(hwsim):
    status, out, err = hwsim("compare", "ds-cnn", "--formats", "int8,mxfp4,nvfp4", "--samples", 8, "--quiet")
    assert (status, "int8" in out) == (2, True)
    assert err.count("blocks are for linear layers") == 2


def test_refusals(refused, tmp_path, graph_file):
    np.savez(tmp_path / "t.npz", w=np.array([True]))
    assert "bool" in refused("compare", tmp_path / "t.npz")
    assert "'int9'" in refused("compare", "mlp", "--formats", "int9", "--samples", 4)
    assert "float model" in refused("compare", graph_file)
    assert "--weights" in refused("compare", "mlp", "--weights", "int4")
    assert "empty" in refused("compare", "mlp", "--formats", "")
    assert "empty" in refused("compare", "mlp", "--accumulators", ",")
    assert "for models" in refused("compare", tmp_path / "t.npz", "--accumulators", "int16")
    assert "beside --accumulators" in refused("compare", "mlp", "--accumulators", "int16", "--overflow", "wrap")
    for bad in ("uint8", "int16:stop"):
        words = ("--formats", "int4", "--accumulators", bad, "--samples", 4, "--quiet")
        assert f"'{bad.split(':')[-1]}'" in refused("compare", "mlp", *words)


def test_accumulators(hwsim, tmp_path):
    """Rows are formats by accumulators; what is refused is named below, and drawn as a word."""
    plot, words = tmp_path / "a.png", ("--formats", "int8,int4", "--samples", 64, "--quiet")
    chosen = ("--accumulators", "proven,int16:saturate,int16:wrap")
    status, out, err = hwsim("compare", "mlp", *words, *chosen, "--plot", plot)
    assert status == 2
    rows = [line.split() for line in out.splitlines() if line.startswith("int")]
    assert [r[:2] for r in rows] == [["int8", "proven"], *(["int4", a] for a in chosen[1].split(","))]
    assert "int8 int16:saturate: linear 'fc1': the bias alone takes 17 bits" in err
    assert err.count("fc1") == 2 * 2
    assert plot.read_bytes().startswith(b"\x89PNG")
    one = hwsim("compare", "mlp", "--formats", "int4", "--samples", 64, "--accumulator", "int16", "--overflow", "wrap")
    row = next(line.split() for line in one.out.splitlines() if line.startswith("int4"))
    assert row[1:] == rows[-1][2:], "a choice is the recipe with that accumulator"


def test_a_recipe_keeps_what_a_choice_does_not_name(hwsim, tmp_path):
    (tmp_path / "r.toml").write_text("accumulator = 'int16'\n[datapath]\noverflow = 'saturate'\ndrop = 2\n")
    words = ("compare", "mlp", "--formats", "int8", "--samples", 64, "--quiet", "--recipe", tmp_path / "r.toml")
    status, out, _ = hwsim(*words, "--accumulators", "proven,int16:saturate,int16:wrap")
    assert (status, len([line for line in out.splitlines() if line.startswith("int8")])) == (0, 3)
    alone = hwsim(*words).out.splitlines()[-1].split()
    assert alone[1:] == next(line.split()[2:] for line in out.splitlines() if "int16:saturate" in line)


def test_plots_of_tensors(hwsim, refused, tmp_path, monkeypatch):
    rng, files = np.random.default_rng(0), [tmp_path / name for name in ("a.png", "b.png")]
    np.savez(tmp_path / "t.npz", **{"$\\bad$": rng.normal(size=(3, 40)), "exact": np.arange(8)})
    for path in files:
        assert hwsim("compare", tmp_path / "t.npz", "--plot", path).status == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path) in refused("compare", tmp_path / "t.npz", "--plot", tmp_path)
    np.savez(tmp_path / "many.npz", **{f"a{i}": np.ones(4) for i in range(13)})
    assert "13 arrays" in refused("compare", tmp_path / "many.npz", "--plot", files[0])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install matplotlib" in refused("compare", tmp_path / "t.npz", "--plot", files[0])


def test_corner_cases(hwsim, refused, tmp_path):
    np.savez(tmp_path / "t.npz", zeros=np.zeros((2, 33)), constant=np.full(7, 0.3), one=np.array(2.5))
    status, out, _ = hwsim("compare", tmp_path / "t.npz", "--plot", tmp_path / "t.png")
    assert status == 0
    assert out.count("exact") >= 12
    np.savez(tmp_path / "n.npz", w=np.array([1, np.nan]))
    assert "1 elements are NaN" in refused("compare", tmp_path / "n.npz")
    np.savez(tmp_path / "e.npz", w=np.zeros((0, 3)))
    assert "(0, 3)" in refused("compare", tmp_path / "e.npz")
