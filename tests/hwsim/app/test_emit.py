import subprocess

import pytest

from hwsim import save
from hwsim.app.folder import C_FOLDER, MARK

from ...codegen.test_cmsis import small_net
from .test_build import contents


def test_c_files_are_whole_and_reproducible(hwsim, graph_file, tmp_path):
    for name in "ab":
        assert hwsim("emit", "c", graph_file, "-o", tmp_path / name).status == 0
    files = contents(tmp_path / "a")
    assert contents(tmp_path / "b") == files
    assert set(C_FOLDER) < set(files)
    assert all(files.values())
    assert all(MARK in files[name].split(b"\n")[0] for name in C_FOLDER)


def test_the_folder_builds_for_a_target_and_re_entrant(hwsim, graph_file, tmp_path):
    for words in ((), ("--target", "x86-64"), ("--reentrant",)):
        assert hwsim("emit", "c", graph_file, "-o", tmp_path / "c", *words).status == 0
        done = subprocess.run(["make", "-B", "test"], cwd=tmp_path / "c", capture_output=True, text=True)
        assert "PASS" in done.stdout, done.stderr
    assert "context" in (tmp_path / "c" / "README.md").read_text()


@pytest.mark.parametrize("name", C_FOLDER)
@pytest.mark.parametrize("command", [("emit", "c"), ("build",)])
def test_files_of_others_are_kept(hwsim, refused, graph_file, tmp_path, command, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("# mine\n")
    line = refused(*command, graph_file, "-o", tmp_path)
    assert name in line
    assert "another folder" in line
    assert contents(tmp_path) == {name: b"# mine\n"}


def test_a_file_where_the_examples_go(refused, graph_file, tmp_path):
    (tmp_path / "examples").write_text("a file")
    assert "examples: is a file" in refused("emit", "c", graph_file, "-o", tmp_path)


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


def test_calls_of_cmsis_nn(hwsim, refused, graph_file, tmp_path):
    save(small_net(1, padded=True), tmp_path / "m.qg")
    out = hwsim("emit", "cmsis-nn", tmp_path / "m.qg", "-o", tmp_path / "c").out
    assert "net.c" in out
    readme = (tmp_path / "c" / "README.md").read_text()
    assert "`arm_convolve_wrapper_s8` (2)" in readme
    assert "arm_convolve_wrapper_s8(scratch" in (tmp_path / "c" / "net.c").read_text()
    assert "tflm_double" in refused("emit", "cmsis-nn", graph_file, "-o", tmp_path / "d")
    assert not (tmp_path / "d").exists()
