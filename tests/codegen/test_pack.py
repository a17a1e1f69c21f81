from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from codegen.pack import pack, share, unpack, width, words
from hwsim.formats import BINARY, FP4_E2M1, FP6_E2M3, FP6_E3M2, INT2, INT4, INT8, TERNARY, UINT1, IntFormat


@pytest.mark.parametrize("count", [1, 2, 7, 16])
@pytest.mark.parametrize(("kind", "low", "high"), [("INT4", -8, 8), ("UINT4", 0, 16)])
def test_nibbles_lie_as_onnx_packs_them(count: int, kind: str, low: int, high: int) -> None:
    codes = np.random.default_rng(count).integers(low, high, count).astype(np.int8 if low else np.uint8)
    tensor = helper.make_tensor("t", getattr(onnx.TensorProto, kind), [count], codes.tolist())
    raw = np.frombuffer(tensor.raw_data, np.uint8) if tensor.raw_data else np.array(tensor.int32_data, np.uint8)
    assert pack(codes, 4).tolist() == raw.tolist()
    assert unpack(raw, count, 4, signed=low < 0).tolist() == codes.tolist()
    assert numpy_helper.to_array(tensor).astype(int).tolist() == codes.tolist()


def test_fp4_nibbles_as_measured_on_onnx() -> None:
    """[0.5, 1, 1.5, -6] -> bytes 21 f3."""
    assert pack(np.array([1, 2, 3, 15], np.uint8), 4).tobytes().hex() == "21f3"


@pytest.mark.parametrize("count", [1, 3, 4, 8, 9, 21])
@pytest.mark.parametrize(("bits", "low"), [(1, -1), (1, 0), (2, -2), (2, 0), (4, -8), (4, 0), (6, -32), (6, 0)])
def test_codes_lie_from_the_low_bits_up(count: int, bits: int, low: int) -> None:
    """As one long Python integer, the first code lowest."""
    codes = np.random.default_rng(count).integers(low, low + (1 << bits), count)
    data = pack(codes, bits)
    number = sum((int(c) % (1 << bits)) << (i * bits) for i, c in enumerate(codes))
    assert data.tobytes() == number.to_bytes(-(-count * bits // 8), "little")
    assert unpack(data, count, bits, signed=low < 0).tolist() == codes.tolist()


def test_four_codes_of_six_bits_lie_in_three_bytes() -> None:
    """As a string of bits, the last code first: 100000 000011 111111 000001."""
    assert pack(np.array([1, 63, 3, 32], np.uint8), 6).tolist() == [0b11000001, 0b00111111, 0b10000000]
    assert pack(np.array([1, 63, 3], np.uint8), 6).tolist() == [0b11000001, 0b00111111, 0b00000000]
    assert [share(b) for b in (1, 2, 4, 6)] == [(8, 1), (4, 1), (2, 1), (4, 3)]


def test_every_format_takes_the_fewest_bits_that_are_packed() -> None:
    widths = {BINARY: 1, UINT1: 1, TERNARY: 2, INT2: 2, IntFormat("int3", 3): 4, INT4: 4, FP4_E2M1: 4}
    widths |= {FP6_E2M3: 6, FP6_E3M2: 6, IntFormat("int5", 5): 6, IntFormat("uint6", 6, signed=False): 6}
    assert {f: width(f) for f in widths} == widths
    assert width(IntFormat("int7", 7)) is None
    assert width(INT8) is None


def test_words_are_little_endian_and_padded() -> None:
    assert words(np.array([1, -1, 2, -128, 5], np.int8)).tolist() == [0x8002FF01, 5]
