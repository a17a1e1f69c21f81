"""Graph <-> ``model.qg``; the only file that knows the disk form.

A stored zip: ``graph.json`` (version, ops by name and fields, recipe, SHA-256 of every array) and one ``.npy`` a
constant, in fixed order with fixed times: same graph, same bytes. The zip comment is the SHA-256 of ``graph.json``.
No pickle, no eval; sizes are checked before anything is read. `load` leaves large arrays in the file (`hwsim.pages`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from .contracts import CONTRACTS
from .formats import FORMATS, Codes, FloatFormat, IntFormat
from .graph import Graph, Value
from .ops import OPS, Datapath, Float32Sum
from .ops.datapath import PLAIN
from .pages import LEAST, give_back, mapped
from .qtensor import QTensor, QType

VERSION = 1
MAX_BYTES = 1 << 31  # of all members together
MAX_JSON = 1 << 28
EPOCH = (1980, 1, 1, 0, 0, 0)
STORED = (*OPS, *CONTRACTS, Datapath, Float32Sum, IntFormat, FloatFormat)
LATER = {"datapath": PLAIN, "origin": 0, "multiplier_bits": 16}
"""Fields that classes got later, and their defaults, which are not written: graphs keep the bytes they had before."""
CLASSES: dict[str, type[Any]] = {c.__name__: c for c in STORED}
LOCAL = 30
"""Bytes of a zip's local header, before the member's name and extra field, whose lengths are its last two numbers."""


class Source(NamedTuple):
    """An open ``.qg`` and all its bytes."""

    z: zipfile.ZipFile
    data: memoryview


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write `graph` to `path`, whole or not at all."""
    write_atomically(Path(path), dumps(graph))


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a graph; ValueError names what is wrong with the file.

    Constants of 64 KiB and more stay in the file and are read-only: replace the file, as `save` does, but never write
    into it while the graph is in use.
    """
    with Path(path).open("rb") as file:
        return _load(path, file)


def _load(path: str | os.PathLike[str], file: IO[bytes]) -> Graph:
    try:
        data = mapped(file)
        return loads(file.read()) if data is None else _loads(file, data)
    except ValueError as e:
        raise ValueError(f"{path}: no valid .qg: {e}") from None
    except Exception as e:  # a damaged file can fail anywhere in zipfile, json or numpy
        raise ValueError(f"{path}: no valid .qg, the file is damaged: {type(e).__name__}: {e}") from None


def write_atomically(path: Path, data: bytes) -> None:
    """Write bytes under a temporary name, then rename: no reader ever sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def dumps(graph: Graph) -> bytes:
    """The bytes of a ``.qg``."""
    members = [(f"c{i}.npy", _npy(t.codes)) for i, t in enumerate(graph.constants.values())]
    initial = [(f"s{i}.npy", _npy(s.initial)) for i, s in enumerate(graph.states.values())]
    document = {
        "hwsim": VERSION,
        "name": graph.name,
        "recipe": graph.recipe,
        "inputs": [_value(v) for v in graph.inputs],
        "constants": [
            {**_value(Value(name, t.type)), "member": member, "sha256": hashlib.sha256(data).hexdigest()}
            for (name, t), (member, data) in zip(graph.constants.items(), members, strict=True)
        ],
        "nodes": [
            {"op": _plain(n.op), "ins": [v.name for v in n.ins], "outs": [_value(v) for v in n.outs]}
            for n in graph.nodes
        ],
        "outputs": [v.name for v in graph.outputs],
    }
    if graph.states:  # Why not always: graphs without memory keep the bytes they had before there was any
        document["states"] = [
            {"input": name, "output": s.output, "member": member, "sha256": hashlib.sha256(data).hexdigest()}
            for (name, s), (member, data) in zip(graph.states.items(), initial, strict=True)
        ]
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for name, data in [("graph.json", text), *members, *initial]:
            z.writestr(zipfile.ZipInfo(name, EPOCH), data)
        z.comment = hashlib.sha256(text).hexdigest().encode()
    return out.getvalue()


def loads(data: bytes) -> Graph:
    """The graph in the bytes of a ``.qg``; every type is proven again. Large constants are views of `data`."""
    return _loads(io.BytesIO(data), memoryview(data))


def _loads(file: IO[bytes], data: memoryview) -> Graph:
    with zipfile.ZipFile(file) as z:
        sizes = {i.filename: i.file_size for i in z.infolist()}
        if sum(sizes.values()) > MAX_BYTES or sizes.get("graph.json", 0) > MAX_JSON:
            raise ValueError(f"members of {sum(sizes.values())} bytes are over the limit of {MAX_BYTES}")
        if any(i.compress_type != zipfile.ZIP_STORED for i in z.infolist()):
            raise ValueError("members are compressed; a .qg is a stored zip")
        text = z.read("graph.json")
        if hashlib.sha256(text).hexdigest().encode() != z.comment:
            raise ValueError("graph.json does not match its checksum")
        document = json.loads(text)
        if document["hwsim"] != VERSION:
            raise ValueError(f"version {document['hwsim']!r} is unknown to this hwsim, which reads {VERSION}")
        graph = _build(document, Source(z, data))
    give_back(data)
    return graph


def _build(document: dict[str, Any], source: Source) -> Graph:
    if not isinstance(document["name"], str) or not isinstance(document["recipe"], dict):
        raise ValueError("name must be a string and recipe a table")
    g = Graph(document["name"], recipe=document["recipe"])
    values = {d["name"]: g.input(d["name"], _type(d)) for d in document["inputs"]}
    for d in document["constants"]:
        t = _type(d)
        codes = _codes(_member(source, d, f"constant {d['name'][:60]!r}"), t)
        values[d["name"]] = g.constant(d["name"], QTensor(t, codes))
        if codes.nbytes >= LEAST:
            give_back(codes)
    for n in document["nodes"]:
        outs = g.add_all(_object(n["op"]), *(values[i] for i in n["ins"]), names=[d["name"] for d in n["outs"]])
        for v, d in zip(outs, n["outs"], strict=True):
            if v.type != _type(d):
                raise ValueError(f"value {v.name[:60]!r} is stored as {_type(d)}, its op makes {v.type}")
            values[v.name] = v
    g.output(*(values[name] for name in document["outputs"]))
    for d in document.get("states", ()):
        raw, before = _member(source, d, f"state {d['input'][:60]!r}"), values[d["input"]]
        g.state(before, values[d["output"]], _codes(raw, before.type))
    return g


def _member(source: Source, d: dict[str, Any], what: str) -> memoryview:
    """The array's bytes that a constant or a state names, where they lie."""
    source.z.open(d["member"]).close()  # checks the local header
    info = source.z.getinfo(d["member"])
    start = info.header_offset + LOCAL + sum(struct.unpack_from("<HH", source.data, info.header_offset + LOCAL - 4))
    raw = source.data[start : start + info.file_size]
    if hashlib.sha256(raw).hexdigest() != d["sha256"]:
        raise ValueError(f"{what} does not match its checksum")
    return raw


def _npy(codes: Codes) -> bytes:
    """What numpy's own `save` writes."""
    little = np.asarray(codes.astype(codes.dtype.newbyteorder("<"), copy=False), order="C")
    return _header(little.dtype, little.shape) + little.tobytes()


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    out = io.BytesIO()
    what = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, what)
    return out.getvalue()


def _codes(raw: memoryview, t: QType) -> Codes:
    """The array of a member; it must be what `_npy` writes for type `t`, so no header is ever parsed.

    Large ones stay where they are, if that place suits their numbers.
    """
    dtype = t.fmt.dtype.newbyteorder("<")
    header = _header(dtype, t.sample_shape)
    if len(raw) != len(header) + t.elements * dtype.itemsize or raw[: len(header)] != header:
        raise ValueError(f"an array of {len(raw)} bytes is no {t.fmt.dtype} of shape {t.sample_shape}")
    codes = np.frombuffer(raw, dtype, offset=len(header)).reshape(t.sample_shape)
    stays = codes.nbytes >= LEAST and codes.flags.aligned
    return codes.astype(t.fmt.dtype, copy=not stays)


def _value(v: Value) -> dict[str, Any]:
    t = v.type
    plain = {"shape": t.shape, "fmt": t.fmt, "scale": t.scale, "zero_point": t.zero_point, "axis": t.axis}
    return {"name": v.name, **{k: _plain(x) for k, x in plain.items()}}


def _type(d: dict[str, Any]) -> QType:
    return QType(tuple(d["shape"]), _object(d["fmt"]), _object(d["scale"]), _object(d["zero_point"]), d["axis"])


def _plain(x: Any) -> Any:
    """A dataclass as JSON data: known formats by name, everything else by class and fields."""
    if isinstance(x, (IntFormat, FloatFormat)) and FORMATS.get(x.name) == x:
        return x.name
    if type(x).__name__ in CLASSES:
        values = {f.name: getattr(x, f.name) for f in fields(x)}
        return {"is": type(x).__name__, **{k: _plain(v) for k, v in values.items() if k not in LATER or v != LATER[k]}}
    if isinstance(x, tuple):
        return tuple(_plain(e) for e in x)
    return x.item() if isinstance(x, np.generic) else x


def _object(x: Any) -> Any:
    """Inverse of `_plain`; only classes of `CLASSES` are ever made."""
    if isinstance(x, str) and x in FORMATS:
        return FORMATS[x]
    if isinstance(x, list):
        return tuple(_object(e) for e in x)
    if isinstance(x, dict):
        kind = CLASSES.get(x["is"])
        if kind is None:
            raise ValueError(f"{x['is']!r} is no op, contract or format of this hwsim; known: {', '.join(CLASSES)}")
        try:
            return kind(**{k: v if k == "name" else _object(v) for k, v in x.items() if k != "is"})
        except TypeError as e:
            raise ValueError(f"{x['is']}: {e}") from None
    return x
