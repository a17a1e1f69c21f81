import hashlib
import io
import json
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from hwsim import (
    INT8,
    INT32,
    UINT8,
    Graph,
    IntFormat,
    OnnxFloat,
    QTensor,
    QType,
    Recipe,
    load,
    save,
    simulate,
    store,
)
from hwsim.formats import FORMATS, FloatFormat
from hwsim.ops import Add, Lut, MatMul, Requant, Reshape
from hwsim.store import dumps, loads
from tests.compare import all_codes, assert_one_line, assert_same
from tests.random_graphs import random_graph


def layer(weight_name="w"):
    """A small graph with a constant, a table and a recipe."""
    g = Graph("layer", recipe=Recipe(overrides=(("fc*", {"weights": "int4"}),)).to_dict())
    x = g.input("x", QType(("N", 3), INT8, 0.1, 0))
    w = np.random.default_rng(0).integers(-128, 128, (3, 2)).astype(np.int8)
    acc = g.add(MatMul(), x, g.constant(weight_name, QTensor(QType((3, 2), INT8, (0.1, 1 / 3), axis=1), w)), name="acc")
    g.output(acc, g.add(Lut(table=tuple(range(-128, 128))), x, name="table"))
    return g


def parts(g):
    """Everything that makes a graph, comparable."""
    constants = [(n, t.type, t.codes.tolist()) for n, t in g.constants.items()]
    return g.name, g.recipe, g.inputs, constants, g.nodes, g.outputs, g.reach


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {i.filename: z.read(i) for i in z.infolist()}


def forge(change=None, arrays=None, compression=zipfile.ZIP_STORED):
    """A .qg of `layer` with valid checksums, its document changed (to data or to text) and arrays replaced."""
    files = {**members(dumps(layer())), **(arrays or {})}
    document = json.loads(files.pop("graph.json"))
    for d in document["constants"]:
        d["sha256"] = hashlib.sha256(files[d["member"]]).hexdigest()
    changed = change(document) if change else document
    text = (changed if isinstance(changed, str) else json.dumps(changed)).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as z:
        z.writestr("graph.json", text)
        for name, data in files.items():
            z.writestr(name, data)
        z.comment = hashlib.sha256(text).hexdigest().encode()
    return out.getvalue()


def npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


@pytest.fixture
def broken(tmp_path):
    """Expect that bytes are refused in one line that names the file and the culprits."""

    def check(data, *culprits):
        path = tmp_path / "broken.qg"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"broken\.qg") as e:
            load(path)
        assert_one_line(e.value, str(path))
        assert_one_line(ValueError(str(e.value).removeprefix(str(path))), *culprits)

    return check


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_come_back_byte_for_byte_and_compute_the_same(seed, tmp_path):
    g, inputs = random_graph(seed)
    save(g, tmp_path / "g.qg")
    again = load(tmp_path / "g.qg")
    assert parts(again) == parts(g)
    assert dumps(again) == dumps(g) == (tmp_path / "g.qg").read_bytes()
    want, got = (simulate(h, inputs) for h in (g, again))
    assert set(want) == set(got)
    for name, y in want.items():
        assert_same(y, got[name], what=name)
    assert [p.name for p in tmp_path.iterdir()] == ["g.qg"]


@pytest.mark.parametrize(
    "fmt", [*FORMATS.values(), IntFormat("acc20", 20), FloatFormat("e3m1", 3, 1, bias=3)], ids=lambda f: f.name
)
def test_every_format_comes_back(fmt):
    g = Graph()
    codes = all_codes(fmt)[[0, -1, 1]] if fmt.bits <= 16 else np.array([fmt.min_code, fmt.max_code, 1], fmt.dtype)
    c = g.constant("c", QTensor(QType((3,), fmt, 1 / 3), codes))
    g.output(g.add(Reshape(shape=(3, 1)), c))
    assert parts(loads(dumps(g))) == parts(g)


@pytest.mark.parametrize("rank", [0, 1, 4, 8, 18, 19, 40, 64])
def test_constants_of_every_rank_come_back(rank):
    g = Graph()
    g.output(g.constant("c", QTensor(QType((1,) * rank, INT8), np.full((1,) * rank, 7, np.int8))))
    assert parts(loads(dumps(g))) == parts(g)


def test_a_format_that_borrows_a_known_name_comes_back():
    g = Graph()
    g.output(g.input("x", QType(("N", 2), IntFormat("int8", 9))))
    assert parts(loads(dumps(g))) == parts(g)


def test_numpy_integers_in_types_are_stored():
    g = Graph()
    g.output(g.input("x", QType(("N", int(np.int64(2))), UINT8, np.float64(0.1), np.int64(3))))
    assert parts(loads(dumps(g))) == parts(g)


NAMES = ("int", "a'b\"c", "two\nlines", "*/ #define x", "/* ??/", "größe λ 😀", "\ud800", "a" * 10_240, " ", "{{ x }}")


def test_hostile_names_survive():
    g = Graph("../../" + "\x00".join(NAMES))
    values = [g.input(n, QType(("N",), INT8)) for n in NAMES]
    for i, v in enumerate(values):
        g.output(g.add(Add(), v, v, name=f"{v.name}.{i}"))
    again = loads(dumps(g))
    assert parts(again) == parts(g)
    assert dumps(again) == dumps(g)
    data = {n: np.array([i]) for i, n in enumerate(NAMES)}
    assert list(simulate(again, data)) == [v.name for v in g.outputs]
    assert set(members(dumps(layer(weight_name="../w\n")))) == {"graph.json", "c0.npy"}


def test_the_same_graph_is_the_same_bytes():
    data = dumps(layer())
    assert data == dumps(layer())
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        assert [i.filename for i in z.infolist()] == ["graph.json", "c0.npy"]
        assert {i.compress_type for i in z.infolist()} == {zipfile.ZIP_STORED}


@pytest.mark.parametrize("origin", [0, -128])
def test_a_contract_s_origin_is_kept_and_graphs_without_have_the_bytes_they_had(origin):
    g = Graph()
    x = g.input("x", QType(("N", 3), INT32))
    contract = OnnxFloat(scale=(0.5,), origin=origin)
    g.output(g.add(Requant(contract=contract, scale=2.0, zero_point=-128), x, name="y"))
    data = dumps(g)
    assert loads(data).nodes[0].op.contract == contract
    assert (b"origin" in data) == (origin != 0)
    assert (b"datapath" in data) is False


def survives(path, data, want):
    """Whether damaged bytes are refused; if they are read, they must be the same graph."""
    path.write_bytes(data)
    try:
        got = load(path)
    except ValueError as e:
        assert_one_line(e, str(path))
        return False
    assert parts(got) == want
    return True


def test_a_file_cut_anywhere_is_refused(tmp_path):
    data, want = dumps(layer()), parts(layer())
    lengths = {0, 1, 2, 4, 22, 30, len(data) // 2, *range(0, len(data), 37), *range(len(data) - 200, len(data))}
    read = [n for n in sorted(lengths) if survives(tmp_path / "cut.qg", data[:n], want)]
    assert read == []


def test_a_flipped_bit_is_refused_or_harmless(tmp_path):
    """Every bit of the zip's own records, and several hundred seeded ones elsewhere."""
    data, want = dumps(layer()), parts(layer())
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        headers = [i.header_offset for i in z.infolist()]
    places = {p for h in headers for p in range(h, h + 40)} | set(range(data.index(b"PK\x01\x02"), len(data)))
    flips = {(p, b) for p in places for b in range(8)}
    rng = np.random.default_rng(0)
    flips |= set(zip(rng.integers(0, len(data), 400).tolist(), rng.integers(0, 8, 400).tolist(), strict=True))
    wrong, harmless = [], 0
    for place, bit in sorted(flips):
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        try:
            harmless += survives(tmp_path / "flip.qg", bytes(flipped), want)
        except Exception as e:
            wrong.append((place, bit, f"{type(e).__name__}: {e}"))
    assert not wrong, f"{len(wrong)} of {len(flips)} flips; first (place, bit, what): {wrong[:5]}"
    assert harmless < len(flips) // 2


def change_op(kind):
    def change(d):
        d["nodes"][0]["op"]["is"] = kind
        return d

    return change


@pytest.mark.parametrize("kind", ["Conv9", "System", "Graph", "__import__", "QType", ""])
def test_unknown_ops_are_refused(broken, kind):
    broken(forge(change_op(kind)), repr(kind), "MatMul")


FORGED = {
    "version": (lambda d: {**d, "hwsim": 2}, "version 2"),
    "no version": (lambda d: {k: v for k, v in d.items() if k != "hwsim"}, "hwsim"),
    "a list": (lambda d: [d],),
    "no nodes": (lambda d: {k: v for k, v in d.items() if k != "nodes"}, "nodes"),
    "order": (lambda d: {**d, "nodes": [dict(d["nodes"][0], ins=["table", "w"]), *d["nodes"][1:]]}, "table"),
    "type": (lambda d: {**d, "inputs": [{**d["inputs"][0], "scale": 0.2}]}, "'acc'"),
    "scale": (lambda d: {**d, "inputs": [{**d["inputs"][0], "scale": -1}]}, "scale -1"),
    "shape": (lambda d: {**d, "constants": [{**d["constants"][0], "shape": [2, 2]}]}, "(2, 2)"),
    "huge": (lambda d: {**d, "constants": [{**d["constants"][0], "shape": [10**30, 2]}]},),
    "checksum": (lambda d: {**d, "constants": [{**d["constants"][0], "sha256": "0" * 64}]}, "'w'", "checksum"),
    "member": (lambda d: {**d, "constants": [{**d["constants"][0], "member": "c9.npy"}]}, "c9.npy"),
    "escape": (lambda d: {**d, "constants": [{**d["constants"][0], "member": "/etc/passwd"}]}, "passwd"),
    "field": (lambda d: {**d, "nodes": [{**d["nodes"][0], "op": {"is": "MatMul", "acc": "int32", "z": 1}}]}, "z"),
    "overflow": (lambda d: {**d, "nodes": [{**d["nodes"][0], "op": {"is": "MatMul", "acc": "int8"}}]}, "int8"),
    "deep": (lambda d: json.dumps({**d, "recipe": "@"}).replace('"@"', "[" * 100_000 + "]" * 100_000), "recursion"),
    "digits": (lambda d: json.dumps({**d, "hwsim": "@"}).replace('"@"', "1" * 5000), "digits"),
    "no json": (lambda d: json.dumps(d)[:-1], "delimiter"),
    "name": (lambda d: {**d, "name": 5}, "name"),
    "recipe": (lambda d: {**d, "recipe": [1]}, "recipe"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_documents_are_refused(broken, name):
    change, *culprits = FORGED[name]
    broken(forge(change), *culprits)


def test_a_forgery_that_changes_nothing_is_read():
    assert parts(loads(forge())) == parts(layer())


def test_pickles_are_refused(broken, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("exploded").write_text, ("boom",))

    broken(forge(arrays={"c0.npy": npy(np.array([[Bomb(), Bomb()]] * 3, object))}))
    assert not (tmp_path / "exploded").exists()


def test_wrong_arrays_are_refused(broken):
    w = layer().constants["w"].codes
    for array in (w.astype(np.int16), w.astype(">i2"), w[:2], w.astype(np.float64)):
        broken(forge(arrays={"c0.npy": npy(array)}))
    broken(forge(arrays={"c0.npy": b"no array"}))
    broken(forge(arrays={"c0.npy": b""}))
    lying = npy(w).replace(b"(3, 2)", b"(9, 9)")
    broken(forge(arrays={"c0.npy": lying}))


@pytest.mark.parametrize("shape", [(1 << 55,), (1 << 40, 1 << 40), (-1,)])
def test_an_array_that_claims_another_size_is_refused(broken, shape):
    claim = io.BytesIO()
    np.lib.format.write_array_header_1_0(claim, {"descr": "|i1", "fortran_order": False, "shape": shape})
    broken(forge(arrays={"c0.npy": claim.getvalue() + bytes(6)}))


def test_a_small_file_takes_little_memory(broken):
    def change(d):
        return {**d, "constants": [{**d["constants"][0], "shape": [1 << 26, 2]}]}

    data = forge(change)
    tracemalloc.start()
    try:
        broken(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", [b"(3, 2 ", b"{[(3,)", b"'3, 2)", b"\0, 2)", b"(3, x)", b"(1e9, )"])
def test_an_array_with_a_damaged_header_is_refused(broken, text):
    whole = npy(layer().constants["w"].codes)
    at = whole.index(b"(3, 2)")
    broken(forge(arrays={"c0.npy": whole[:at] + text + whole[at + len(text) :]}))


def test_members_over_the_limit_are_refused_before_they_are_read(broken, monkeypatch):
    data = dumps(layer())
    monkeypatch.setattr(store, "MAX_BYTES", 1000)
    broken(data, "1000")
    monkeypatch.undo()
    monkeypatch.setattr(store, "MAX_JSON", 1000)
    broken(data)


def test_a_size_that_lies_is_refused(broken):
    data = bytearray(dumps(layer()))
    entry = data.index(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (0xFFFFFFF0).to_bytes(4, "little")  # uncompressed size in the directory
    broken(bytes(data), "limit")


def test_compressed_members_are_refused(broken):
    """The format is a stored zip: a small file never grows."""
    bomb = npy(np.zeros((3, 1_000_000), np.int8))
    broken(forge(arrays={"c0.npy": bomb}, compression=zipfile.ZIP_DEFLATED), "compressed")


def test_what_is_no_zip_is_refused(broken, tmp_path):
    for data in (b"", b"PK", b"hello" * 100, bytes(1000), b"PK\x05\x06" + bytes(18)):
        broken(data)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.qg")


def test_an_unwritable_place_is_left_clean(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "folder.qg").mkdir()
    for path in (tmp_path / "file/g.qg", tmp_path / "absent/g.qg", tmp_path / "folder.qg"):
        with pytest.raises(OSError, match=str(tmp_path)):
            save(layer(), path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder.qg"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "g.qg"
    save(layer(), path)
    old = path.read_bytes()
    unsaveable = replace(layer(), recipe={"set": {1, 2}})
    with pytest.raises(TypeError):
        save(unsaveable, path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["g.qg"]
