"""ONNX files as protocol buffers: read with limits, checked, functions inlined; numbers and attributes of Python."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .unsupported import Unsupported, problem

OPSETS = range(13, 26)  # Why 25: up to there operators that we read only took more types; 28 changed OneHot
LARGEST_FILE = 2**31 - 1  # bytes; protocol buffers hold no more
LARGEST_TENSOR = 1 << 29  # elements
STANDARD = ("", "ai.onnx")
SMALL = ("int4", "uint4", "int2", "uint2")


def read_proto(source: str | os.PathLike[str] | bytes | Any) -> tuple[str, Any, int]:
    """Name of the source, its checked ``ModelProto`` without functions, its opset; see `onnx_model.load_model`."""
    from onnx import ModelProto, checker, inliner

    where, proto, folder = opened(source)
    check_tensors(where, proto, folder)
    opset = opset_of(where, proto)
    try:
        if len(proto.functions):
            proto = inliner.inline_local_functions(proto)
        checker.check_model(proto)
    except Exception as e:  # Why all: onnx's C++ raises types of its own, and RuntimeError
        raise ValueError(f"{where}: not a valid ONNX model: {first_line(e)}") from None
    assert isinstance(proto, ModelProto)
    return where, proto, opset


def opened(source: str | os.PathLike[str] | bytes | Any) -> tuple[str, Any, Path | None]:
    """Name, a ``ModelProto`` of its own, and the folder where its weights may lie."""
    from onnx import ModelProto

    proto = ModelProto()
    if isinstance(source, ModelProto):
        proto.CopyFrom(source)
        return "model", proto, None
    where, folder = ("model", None) if isinstance(source, bytes) else (Path(source).name, Path(source).parent)
    data = source if isinstance(source, bytes) else contents(Path(source))
    try:
        proto.ParseFromString(data)
    except Exception:  # Why all: protobuf's DecodeError is in a package of its own
        raise ValueError(f"{where}: no ONNX model: the bytes are no protocol buffer of one") from None
    if not proto.HasField("graph") or not proto.graph.node:
        raise ValueError(f"{where}: no ONNX model, or one without nodes")
    return where, proto, folder


def contents(path: Path) -> bytes:
    """A file of at most `LARGEST_FILE` bytes."""
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise ValueError(f"{path.name}: {size} bytes; an ONNX file holds at most {LARGEST_FILE}")
    return path.read_bytes()


def opset_of(where: str, proto: Any) -> int:
    """Version of the standard operators; ValueError outside `OPSETS`."""
    versions = [int(o.version) for o in proto.opset_import if o.domain in STANDARD]
    if len(versions) != 1 or versions[0] not in OPSETS:
        told = ", ".join(map(str, versions)) or "none"
        raise ValueError(
            f"{where}: opset {told}; {OPSETS[0]} to {OPSETS[-1]} are read, convert it with onnx.version_converter"
        )
    return versions[0]


def check_tensors(where: str, proto: Any, folder: Path | None) -> None:
    """Load weights that lie beside the file; every tensor as long as it says."""
    from onnx import TensorProto

    problems = []
    for t in tensors_of(proto):
        count = int(np.prod([max(0, int(d)) for d in t.dims], dtype=object)) if t.dims else 1
        if count > LARGEST_TENSOR or any(d < 0 for d in t.dims):
            problems.append(problem(f"tensor {t.name!r}", f"shape {list(t.dims)[:8]} of {count} elements"))
        elif t.data_location == TensorProto.EXTERNAL:
            problems += load_external(t, folder)
    if problems:
        raise Unsupported(where, problems)


def tensors_of(proto: Any) -> list[Any]:
    """Initializers and tensors of attributes; not those of branches and loops, which are refused."""
    attributes = (a for n in proto.graph.node for a in n.attribute)
    return [*proto.graph.initializer, *(a.t for a in attributes if a.HasField("t"))]


def load_external(tensor: Any, folder: Path | None) -> list[str]:
    """Bytes of one tensor from a file in the model's folder; what is wrong with it."""
    from onnx import TensorProto

    told = {e.key: e.value for e in tensor.external_data}
    name, place = told.get("location", ""), f"tensor {tensor.name!r}"
    if folder is None:
        return [problem(place, "its numbers lie in another file", "give the path of the model, not its bytes")]
    if PurePosixPath(name).name != name or "\\" in name or name in ("", "..") or (folder / name).is_symlink():
        return [problem(place, f"its numbers lie in {name!r}", "only files in the model's own folder are read")]
    try:
        start, length = int(told.get("offset", 0)), int(told.get("length", -1))
        with (folder / name).open("rb") as f:
            size = f.seek(0, os.SEEK_END)
            if not 0 <= start <= size or length > size - start or length < -1:
                return [problem(place, f"bytes {start} and {length} more are outside {name!r} of {size} bytes")]
            f.seek(start)
            tensor.raw_data = f.read(length if length >= 0 else size - start)
    except (OSError, ValueError) as e:
        return [problem(place, f"{name!r} cannot be read: {first_line(e)}")]
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]
    return []


def numbers_of(where: str, tensor: Any) -> NDArray[Any]:
    """Numbers of a tensor: integers of less than a byte in one, reals of less than 32 bits in float32, all exact."""
    from onnx import numpy_helper

    try:
        x = numpy_helper.to_array(tensor)
    except Exception as e:
        raise ValueError(f"{where}: tensor {tensor.name!r}: {first_line(e)}") from None
    if type_name(tensor.data_type) in SMALL:
        return np.asarray(x).astype(np.int8 if type_name(tensor.data_type).startswith("int") else np.uint8)
    return np.asarray(x) if x.dtype.kind in "fiubOSU" and x.dtype != np.float16 else np.asarray(x).astype(np.float32)


def type_name(code: int) -> str:
    """ONNX's name of an element type, in lower case."""
    from onnx import TensorProto

    known = TensorProto.DataType.items()
    return next((name.lower() for name, value in known if value == code), f"type {code}")


def attribute_of(attribute: Any) -> Any:
    """A Python number, string, list or array; None for branches and loops."""
    from onnx import AttributeProto, helper, numpy_helper

    if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        return None
    value = helper.get_attribute_value(attribute)
    if attribute.type == AttributeProto.TENSOR:
        return numpy_helper.to_array(value)
    if attribute.type == AttributeProto.STRING:
        return value.decode("utf-8", "replace")
    if attribute.type == AttributeProto.STRINGS:
        return [v.decode("utf-8", "replace") for v in value]
    return list(value) if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def integer_results(data: bytes) -> tuple[set[str], set[str], int]:
    """Names of the inputs of a file that are integers, of everything that its nodes compute; its batch, 0 if open."""
    from onnx import TensorProto, load_from_string

    graph = load_from_string(data).graph
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
    taken = {i.name for i in graph.input if i.type.tensor_type.elem_type not in floats}
    given = {t.name for t in graph.initializer}
    first = [i.type.tensor_type.shape.dim[:1] for i in graph.input if i.name not in given]
    batch = max((int(d.dim_value) for dims in first for d in dims), default=0)
    return taken, {name for node in graph.node for name in node.output}, batch


def first_line(e: Exception) -> str:
    """The first line of an error, not too long."""
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:300]
