"""Graphs whose weights stay in their file: `hwsim.store` and `hwsim.pages` together."""

import os
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hwsim import INT4, INT8, INT32, Graph, QTensor, QType, load, save, simulate
from hwsim.ops import MatMul
from hwsim.pages import give_back
from hwsim.store import dumps, loads
from tests.compare import assert_same

from .test_store import broken, layer, parts

assert broken  # a fixture


def large():
    """A graph whose weights stay in the file, and one array of wider numbers, which does only where it is aligned."""
    g, rng = Graph("large"), np.random.default_rng(0)
    x = g.input("x", QType(("N", 512), INT8, 0.1))
    w = QTensor(QType((512, 1024), INT8, 0.1), rng.integers(-128, 128, (512, 1024)).astype(np.int8))
    wide = rng.integers(-(1 << 20), 1 << 20, (512, 1024)).astype(np.int32)
    g.output(g.add(MatMul(), x, g.constant("w", w)))
    g.constant("wide", QTensor(QType((512, 1024), INT32), wide))
    return g


def test_large_constants_stay_in_the_file_read_only(tmp_path):
    want, path = large(), tmp_path / "g.qg"
    save(want, path)
    again = load(path)
    codes = again.constants["w"].codes
    assert give_back(codes)
    assert not codes.flags.writeable
    for name, t in want.constants.items():
        assert again.constants[name].codes.flags.aligned
        assert_same(t.codes, again.constants[name].codes)
    assert path.read_bytes() == dumps(want) == dumps(again) == dumps(loads(dumps(want)))
    x = {"x": np.random.default_rng(1).integers(-128, 128, (3, 512))}
    for name, y in simulate(want, x).items():
        assert_same(y, simulate(again, x)[name])
        assert_same(y, simulate(again, x, engine="numpy")[name])


def test_a_graph_outlives_its_file(tmp_path):
    """A new file takes the name, as `save` does it: the graph keeps what it read."""
    want, path = large(), tmp_path / "g.qg"
    save(want, path)
    again = load(path)
    save(layer(), path)
    assert parts(again) == parts(want)
    assert parts(load(path)) == parts(layer())
    save(again, path)
    path.unlink()
    assert parts(pickle.loads(pickle.dumps(again))) == parts(want)


def test_a_pipe_is_read(tmp_path):
    os.mkfifo(tmp_path / "g.qg")
    with ThreadPoolExecutor(1) as pool:
        pool.submit((tmp_path / "g.qg").write_bytes, dumps(layer()))
        assert parts(load(tmp_path / "g.qg")) == parts(layer())


def test_large_arrays_that_are_damaged_are_refused(broken, tmp_path):
    data = dumps(large())
    for at in (data.index(b"\x93NUMPY") + 5000, data.index(b"c0.npy") - 4, data.rindex(b"\x93NUMPY") + 300):
        broken(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    for length in (len(data) - 1, len(data) // 2):
        broken(data[:length])


def test_loading_takes_no_multiple_of_the_weights(tmp_path):
    g, shape = Graph(), (2048, 4096)
    x = g.input("x", QType(("N", shape[0]), INT8, 0.1))
    w = np.random.default_rng(0).integers(-8, 8, shape).astype(np.int8)
    g.output(g.add(MatMul(), x, g.constant("w", QTensor(QType(shape, INT4, 0.1), w))))
    save(g, tmp_path / "g.qg")
    tracemalloc.start()
    try:
        again = load(tmp_path / "g.qg")
        assert tracemalloc.get_traced_memory()[1] < w.nbytes // 2
    finally:
        tracemalloc.stop()
    assert parts(again)[-1] == parts(g)[-1]
