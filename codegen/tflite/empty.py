"""A ``.tflite`` without operators: what a call of an engine costs before it computes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

SIZE = 4


def empty_model() -> bytes:
    """One INT8 tensor of `SIZE` elements, shape (1, `SIZE`), that is the input and the output."""
    import flatbuffers
    import tflite

    b = flatbuffers.Builder(256)
    name, shape = b.CreateString("x"), b.CreateNumpyVector(np.array([1, SIZE], np.int32))
    ends = b.CreateNumpyVector(np.zeros(1, np.int32))
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, tflite.TensorType.INT8)
    tflite.TensorAddName(b, name)
    tensors, operators = _tables(b, [tflite.TensorEnd(b)]), _tables(b, [])
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors)
    tflite.SubGraphAddInputs(b, ends)
    tflite.SubGraphAddOutputs(b, ends)
    tflite.SubGraphAddOperators(b, operators)
    subgraphs = _tables(b, [tflite.SubGraphEnd(b)])
    tflite.BufferStart(b)
    buffers = _tables(b, [tflite.BufferEnd(b)])
    codes = _tables(b, [])
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, subgraphs)
    tflite.ModelAddBuffers(b, buffers)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def _tables(builder: Any, tables: Sequence[int]) -> Any:
    """A vector of offsets."""
    builder.StartVector(4, len(tables), 4)
    for t in reversed(tables):
        builder.PrependUOffsetTRelative(t)
    return builder.EndVector()
