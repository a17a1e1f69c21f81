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
