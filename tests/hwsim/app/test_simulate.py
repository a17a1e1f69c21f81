import numpy as np
import pytest

from hwsim import BATCH, INT8, Graph, QType, load, save, simulate
from hwsim.ops import Reshape

from ..reports.networks import HOSTILE, samples


@pytest.mark.parametrize("engine", ["numpy", "numba"])
def test_outputs_are_the_codes_of_the_simulator(hwsim, graph_file, inputs_file, tmp_path, engine):
    out = tmp_path / "out.npz"
    status, text, err = hwsim("simulate", graph_file, inputs_file, "-o", out, "--engine", engine)
    assert (status, err) == (0, "")
    assert "1 value written" in text
    want = simulate(load(graph_file), samples(20), engine="numpy")["scores"]
    got = np.load(out)
    assert got.files == ["scores"]
    assert got["scores"].dtype == np.int8
    np.testing.assert_array_equal(got["scores"], want)


def test_threads_change_nothing(hwsim, graph_file, inputs_file, tmp_path):
    for threads in (1, 2):
        done = hwsim("simulate", graph_file, inputs_file, "-o", tmp_path / f"{threads}.npz", "--threads", threads)
        assert done.status == 0
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    done = hwsim("simulate", graph_file, inputs_file, "-o", tmp_path / "0.npz", "--threads", 0)
    assert (done.status, done.err) == (2, "hwsim: threads 0 must be an integer >= 1\n")


def test_trace_keeps_every_value_and_is_reproducible(hwsim, graph_file, inputs_file, tmp_path):
    for name in "ab":
        assert hwsim("simulate", graph_file, inputs_file, "-o", tmp_path / f"{name}.npz", "--trace").status == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert {"x", "flat", "relu1.acc", "relu1", "scores"} <= set(np.load(tmp_path / "a.npz").files)


def test_any_name_can_be_kept(hwsim, tmp_path):
    g = Graph()
    names = ["file", "self", "a.npy", "../up", "ü", HOSTILE]
    x = g.input("x", QType((BATCH, 2), INT8))
    g.output(*(g.add(Reshape(shape=(2,)), x, name=n) for n in names))
    save(g, tmp_path / "g.qg")
    np.savez(tmp_path / "x.npz", x=np.array([[1, 2]], np.int8))
    assert hwsim("simulate", tmp_path / "g.qg", tmp_path / "x.npz", "-o", tmp_path / "y.npz").status == 0
    assert np.load(tmp_path / "y.npz").files == names


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "culprit"),
    [
        ({"x": np.full((2, 2, 3), np.nan)}, "nan at index (0, 0, 0)"),
        ({"x": np.full((2, 2, 3), np.inf)}, "inf"),
        ({"x": np.zeros((2, 3, 2))}, "shape (2, 3, 2)"),
        ({"x": np.zeros((0, 2, 3))}, "samples"),
        ({"x": np.zeros(())}, "shape ()"),
        ({"x": np.zeros((2, 2, 3), complex)}, "complex128"),
        ({"x": np.full((2, 2, 3), 128)}, "128"),
        ({"z": np.zeros((2, 2, 3))}, "'z'"),
        ({}, "no arrays"),
    ],
)
def test_bad_inputs_are_named(refused, graph_file, tmp_path, arrays, culprit):
    data, out = write(tmp_path / "d.npz", **arrays), tmp_path / "out.npz"
    assert culprit in refused("simulate", graph_file, data, "-o", out)
    assert not out.exists()


def test_bad_files_are_named(refused, graph_file, inputs_file, blocked, tmp_path):
    half = tmp_path / "half.npz"
    half.write_bytes(inputs_file.read_bytes()[:200])
    text = tmp_path / "text.npz"
    text.write_text("not an array")
    pickled = write(tmp_path / "p.npz", x=np.array([{}], object))
    one = tmp_path / "one.npy"
    np.save(one, np.zeros(3))
    out = tmp_path / "o.npz"
    for path in (half, text, pickled, one, tmp_path / "absent.npz", tmp_path):
        assert path.name in refused("simulate", graph_file, path, "-o", out)
    assert str(blocked.parent) in refused("simulate", graph_file, inputs_file, "-o", blocked)
    assert "is a folder" in refused("simulate", graph_file, inputs_file, "-o", tmp_path)
    assert "is a device" in refused("simulate", graph_file, inputs_file, "-o", "/dev/null")
    assert "engine 'gpu'" in refused("simulate", graph_file, inputs_file, "-o", out, "--engine", "gpu")
    assert not out.exists()


def test_a_damaged_graph_is_named(refused, graph_file, inputs_file, tmp_path):
    data = graph_file.read_bytes()
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 1
    for name, content in (("half.qg", data[: len(data) // 2]), ("flip.qg", bytes(flipped)), ("empty.qg", b"")):
        (tmp_path / name).write_bytes(content)
        assert name in refused("simulate", tmp_path / name, inputs_file, "-o", tmp_path / "o.npz")
