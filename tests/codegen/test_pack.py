from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from codegen.pack import pack_nibbles, unpack_nibbles, words


@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize(("kind", "low", "high"), [("INT4", -8, 8), ("UINT4", 0, 16)])
def test_nibbles_lie_as_onnx_packs_them(count: int, kind: str, low: int, high: int) -> None:
    codes = np.random.default_rng(count).integers(low, high, count).astype(np.int8 if low else np.uint8)
    tensor = helper.make_tensor("t", getattr(onnx.TensorProto, kind), [count], codes.tolist())
    raw = np.frombuffer(tensor.raw_data, np.uint8) if tensor.raw_data else np.array(tensor.int32_data, np.uint8)
    assert pack_nibbles(codes).tolist() == raw.tolist()
    assert unpack_nibbles(raw, count, signed=low < 0).tolist() == codes.tolist()
    assert numpy_helper.to_array(tensor).astype(int).tolist() == codes.tolist()


def test_fp4_nibbles_as_measured_on_onnx() -> None:
    """[0.5, 1, 1.5, -6] -> bytes 21 f3."""
    assert pack_nibbles(np.array([1, 2, 3, 15], np.uint8)).tobytes().hex() == "21f3"


def test_words_are_little_endian_and_padded() -> None:
    assert words(np.array([1, -1, 2, -128, 5], np.int8)).tolist() == [0x8002FF01, 5]
