"""The bytes of a ``.tflite`` as plain data. Nothing of the file is trusted: sizes are checked before they are used.

Format: TFLite schema 3 by the PyPI package `tflite`; only its accessors touch the flatbuffer.
"""

from __future__ import annotations

import re
from functools import cache
from math import prod
from typing import Any

import numpy as np

from hwsim.formats import Codes

from ..unsupported import Unsupported, problem
from .context import FORMATS, Operator, Subgraph, Tensor

MAX_BYTES = 1 << 30
MAX_ELEMENTS = 1 << 24  # of one tensor
MAX_RANK = 6
ENUMS = {"padding": "Padding", "fused_activation_function": "ActivationFunctionType"}


@cache
def names(enum: str) -> dict[int, str]:
    """Name of each number of one of the schema's enums."""
    import tflite

    return {v: k for k, v in vars(getattr(tflite, enum)).items() if isinstance(v, int) and not k.startswith("_")}


def subgraphs(data: bytes) -> tuple[Subgraph, ...]:
    """All subgraphs; ValueError for what is no valid file, `Unsupported` for custom operators and sparse tensors."""
    if not 8 <= len(data) <= MAX_BYTES or data[4:8] != b"TFL3":
        raise ValueError(f"{len(data)} bytes without the mark TFL3 are no .tflite")
    import tflite

    try:
        model = tflite.Model.GetRootAs(data, 0)
        return tuple(_subgraph(model, model.Subgraphs(i), data) for i in range(_count(model.SubgraphsLength(), data)))
    except ValueError:
        raise
    except Exception as e:  # damaged offsets can fail anywhere in flatbuffers, struct or numpy
        raise ValueError(f"damaged: {type(e).__name__}: {e}") from None


def _count(n: int, data: bytes) -> int:
    """A vector's length; each element takes at least four bytes of the file."""
    if n * 4 > len(data):
        raise ValueError(f"damaged: a list of {n} elements in a file of {len(data)} bytes")
    return n


def _subgraph(model: Any, g: Any, data: bytes) -> Subgraph:
    problems: list[str] = []
    taken: set[str] = set()
    tensors = tuple(_tensor(model, g.Tensors(i), i, taken) for i in range(_count(g.TensorsLength(), data)))
    operators = [_operator(model, g.Operators(i), i, problems) for i in range(_count(g.OperatorsLength(), data))]
    if problems:
        raise Unsupported("the .tflite", problems)
    return Subgraph(
        tensors=tensors,
        operators=tuple(operators),
        inputs=_indices(g, "Inputs", len(tensors)),
        outputs=_indices(g, "Outputs", len(tensors)),
    )


def _indices(of: Any, field: str, tensors: int) -> tuple[int, ...]:
    made = () if getattr(of, f"{field}IsNone")() else tuple(int(i) for i in getattr(of, f"{field}AsNumpy")())
    if any(not -1 <= i < tensors for i in made):
        raise ValueError(f"damaged: tensors {made[:8]} of {tensors}")
    return made


def _tensor(model: Any, t: Any, index: int, taken: set[str]) -> Tensor:
    name = (t.Name() or b"").decode(errors="replace") or f"tensor_{index}"
    while name in taken:
        name = f"{name}.{index}"
    taken.add(name)
    shape = () if t.ShapeIsNone() else tuple(int(d) for d in t.ShapeAsNumpy())
    if len(shape) > MAX_RANK or any(d < 0 for d in shape) or prod(shape) > MAX_ELEMENTS:
        raise ValueError(f"tensor {name[:60]!r}: shape {shape[:8]} is over {MAX_RANK} axes or {MAX_ELEMENTS} elements")
    signature = () if t.ShapeSignatureIsNone() else tuple(int(d) for d in t.ShapeSignatureAsNumpy())
    if any(d < 0 for d in signature[1:]):
        where = f"tensor {name[:60]!r}"
        raise Unsupported("the .tflite", [problem(where, f"has shape {signature}", "fix all axes but the batch")])
    if t.Sparsity() is not None:
        raise Unsupported("the .tflite", [problem(f"tensor {name!r}", "is sparse", "convert without sparsity")])
    kind = names("TensorType").get(t.Type(), str(t.Type()))
    scale, zero = _quantization(t.Quantization(), name)
    axis = t.Quantization().QuantizedDimension() if len(scale) > 1 else 0
    if len(scale) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scale)):
        raise ValueError(f"tensor {name[:60]!r}: {len(scale)} scales along axis {axis} of shape {shape}")
    codes = _codes(model, t, name, kind, shape)
    return Tensor(index=index, name=name, shape=shape, kind=kind, scale=scale, zero_point=zero, axis=axis, codes=codes)


def _quantization(q: Any, name: str) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if q is None or q.ScaleIsNone():
        return (), ()
    scale = tuple(float(s) for s in q.ScaleAsNumpy())
    zero = (0,) * len(scale) if q.ZeroPointIsNone() else tuple(int(z) for z in q.ZeroPointAsNumpy())
    zero = zero * len(scale) if len(zero) == 1 else zero
    if len(zero) != len(scale) or not all(np.isfinite(s) and s > 0 for s in scale):
        raise ValueError(f"tensor {name[:60]!r}: {len(scale)} scales, {len(zero)} zero points; scales must be > 0")
    return scale, zero


def _codes(model: Any, t: Any, name: str, kind: str, shape: tuple[int, ...]) -> Codes | None:
    if not 0 <= t.Buffer() < model.BuffersLength():
        raise ValueError(f"tensor {name[:60]!r}: buffer {t.Buffer()} does not exist")
    buffer = model.Buffers(t.Buffer())
    if buffer.Offset() > 1:
        raise Unsupported("the .tflite", [problem(f"tensor {name!r}", "lies outside the flatbuffer", "keep it inside")])
    if buffer.DataIsNone() or not buffer.DataLength() or kind not in (*FORMATS, "FLOAT32", "BOOL"):
        return None
    raw = np.asarray(buffer.DataAsNumpy(), np.uint8)
    codes: Codes
    if kind == "INT4":  # two a byte, the first in the low half
        codes = np.stack([raw << 4, raw], -1).reshape(-1)[: prod(shape)].view(np.int8) >> 4
    else:
        dtype = np.dtype("bool" if kind == "BOOL" else kind.lower()).newbyteorder("<")
        if raw.size != prod(shape) * dtype.itemsize:
            raise ValueError(f"tensor {name[:60]!r}: {raw.size} bytes for shape {shape} of {kind}")
        codes = np.frombuffer(raw.tobytes(), dtype).astype(dtype.newbyteorder("="))
    if codes.size != prod(shape):
        raise ValueError(f"tensor {name[:60]!r}: {codes.size} codes for shape {shape} of {kind}")
    return np.asarray(codes).reshape(shape)


def _operator(model: Any, o: Any, index: int, problems: list[str]) -> Operator:
    if not 0 <= o.OpcodeIndex() < model.OperatorCodesLength():
        raise ValueError(f"operator {index}: code {o.OpcodeIndex()} does not exist")
    code = model.OperatorCodes(o.OpcodeIndex())
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = names("BuiltinOperator").get(number, str(number))
    if kind == "CUSTOM":
        problems.append(problem(f"operator {index} CUSTOM {code.CustomCode()!r}", "is no built-in", "use built-ins"))
    ins, outs = (_indices(o, field, 1 << 30) for field in ("Inputs", "Outputs"))
    return Operator(
        index=index, kind=kind, ins=ins, outs=outs, options=_options(o, problems, f"operator {index} {kind}")
    )


def _options(o: Any, problems: list[str], where: str) -> dict[str, Any]:
    import tflite

    table = o.BuiltinOptions()
    if table is None or not o.BuiltinOptionsType():
        return {}
    kind = getattr(tflite, names("BuiltinOptions").get(o.BuiltinOptionsType(), "-"), None)
    if kind is None:
        problems.append(problem(where, f"options of type {o.BuiltinOptionsType()} are unknown", "use schema 3 of 2.18"))
        return {}
    read = kind()
    read.Init(table.Bytes, table.Pos)
    fields = [
        f
        for f in vars(kind)
        if f[0].isupper() and f != "Init" and not f.startswith("GetRootAs") and not _vector(kind, f)
    ]
    plain = {}
    for f in fields:
        value = getattr(read, f)()
        key = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[0-9])", "_", f).lower()
        if key in ENUMS:
            value = names(ENUMS[key]).get(value, value)
        plain[key] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return plain


def _vector(kind: type[Any], field: str) -> bool:
    """Whether an accessor is not that of one number or string."""
    stem = re.sub("(AsNumpy|Length|IsNone|BufferHasIdentifier)$", "", field)
    return stem != field or f"{stem}Length" in vars(kind)
