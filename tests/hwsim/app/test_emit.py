import pytest


def test_c_files_are_whole_and_reproducible(hwsim, graph_file, tmp_path):
    for name in "ab":
        assert hwsim("emit", "c", graph_file, "-o", tmp_path / name).status == 0
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()} == files
    assert any(name.endswith(".c") for name in files)
    assert all(files.values())


@pytest.mark.parametrize("io", ["codes", "float"])
def test_onnx_loads(hwsim, graph_file, tmp_path, io):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "m.onnx"
    status, out, _ = hwsim("emit", "onnx", graph_file, "-o", path, "--io", io)
    assert status == 0
    assert str(path) in out
    model = onnx.load(path)
    onnx.checker.check_model(model)
    kind = onnx.TensorProto.FLOAT if io == "float" else onnx.TensorProto.INT8
    assert model.graph.input[0].type.tensor_type.elem_type == kind


def test_bad_options_and_places_are_named(refused, graph_file, blocked, tmp_path):
    assert "'paper'" in refused("emit", "onnx", graph_file, "-o", tmp_path / "m.onnx", "--io", "paper")
    assert "mars" in refused("emit", "c", graph_file, "-o", tmp_path / "c", "--target", "mars")
    assert str(blocked.parent) in refused("emit", "c", graph_file, "-o", blocked)
    assert str(blocked.parent) in refused("emit", "c", graph_file, "-o", blocked.parent)
    assert str(blocked.parent) in refused("emit", "onnx", graph_file, "-o", blocked)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_qdq_is_made_of_a_float_model(hwsim, refused, graph_file, tmp_path):
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "m.qdq.onnx"
    made = []
    for _ in range(2):
        status, out, _ = hwsim("emit", "qdq", "mlp", "--weights", "int4", "-o", path)
        assert status == 0
        assert "not bit exact" in out
        made.append(path.read_bytes())
    assert made[0] == made[1]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert onnx.TensorProto.INT4 in {t.data_type for t in model.graph.initializer}
    path.unlink()
    line = refused("emit", "qdq", graph_file, "-o", path)
    assert str(graph_file) in line
    assert "emit onnx" in line
    assert "--calibrate" in refused("emit", "qdq", "package.module:net", "-o", path)
    assert not path.exists()
