"""`encode` and `to_int` against ONNX's own casts and quantizers: onnx's reference.

What ONNX leaves open, and where it differs from `encode`:

- Cast from float to INT4 or UINT4 truncates, out of range it is undefined: QuantizeLinear with scale 1 is what `encode`
  does, so that is compared. The reference casts to int32 before it saturates, so numbers past 2**31 are left out here.
- The sign of a negative number that rounds to 0: kept by ONNX's float casts, as by `encode`.
- E5M2 and E4M3 saturate where ONNX's ``saturate`` is 1 (the default), infinities too; `encode` takes finite numbers.
- float32 input: a double is rounded to float32 first, so midpoints are shifted by float32's next number, not double's.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from hwsim.formats import FORMATS, FloatFormat, Format
from tests.compare import all_codes, assert_same
from tests.oracles.floats import float16_numbers

FLOATS = {
    "FLOAT4E2M1": FORMATS["fp4_e2m1"],
    **{"FLOAT8E4M3FN": FORMATS["fp8_e4m3"], "FLOAT8E5M2": FORMATS["fp8_e5m2"]},
    **{"FLOAT6E2M3": FORMATS["fp6_e2m3"], "FLOAT6E3M2": FORMATS["fp6_e3m2"]},
}
INTEGERS = {f"{sign}INT{bits}": FORMATS[f"{sign.lower()}int{bits}"] for bits in (2, 4, 8, 16) for sign in ("", "U")}
NAMES = {**FLOATS, **INTEGERS}
KINDS = [k for k in NAMES if hasattr(TensorProto, k)]


def values(fmt: Format, codes: np.ndarray) -> np.ndarray:
    return np.ldexp(fmt.to_int(codes).astype(np.float64), fmt.lsb_exp)


def inputs(fmt: Format) -> np.ndarray:
    """Every number, every midpoint, their float32 neighbours, both zeros, subnormals, far past both ends; float32."""
    grid = np.unique(values(fmt, all_codes(fmt)))
    middles = np.array([(a + b) / 2 for a, b in pairwise(grid)])
    step = grid[-1] - grid[-2]
    ends = [grid[-1] + step * k / 8 for k in range(17)] + [grid[0] - step * k / 8 for k in range(17)]
    tiny = [0.0, -0.0, 1e-30, -1e-30, 2.0**-149, -(2.0**-149), 2.0**-126]
    exact = np.concatenate([grid, middles, ends, tiny, [1e6, -1e6, 2.0**30, -(2.0**30)]]).astype(np.float32)
    around = [np.nextafter(exact, np.float32(s), dtype=np.float32) for s in (-np.inf, np.inf)]
    return np.concatenate([exact, *around])


def evaluated(kind: str, op: str, x: np.ndarray) -> np.ndarray:
    """`x` cast or quantized by onnx's reference, as codes."""
    to, ins = getattr(TensorProto, kind), [numpy_helper.from_array(x, "x")]
    if op == "Cast":
        node = helper.make_node("Cast", ["x"], ["y"], to=to)
    else:
        ins.append(numpy_helper.from_array(np.float32(1), "scale"))
        node = helper.make_node("QuantizeLinear", ["x", "scale"], ["y"], output_dtype=to)
    out = helper.make_tensor_value_info("y", to, x.shape)
    graph = helper.make_graph([node], "cast", [], [out], ins)
    version = onnx.defs.onnx_opset_version()
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    onnx.checker.check_model(model, full_check=True)
    return codes(ReferenceEvaluator(model).run(None, {})[0], NAMES[kind])


def codes(y: np.ndarray, fmt: Format) -> np.ndarray:
    """A low precision array as hwsim keeps its codes."""
    if isinstance(fmt, FloatFormat):
        return y.view(np.uint8) & ((1 << fmt.bits) - 1)
    return y.astype(fmt.dtype)


@pytest.mark.parametrize("op", ["Cast", "QuantizeLinear"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k in FLOATS])
def test_casts_to_floats(kind: str, op: str) -> None:
    fmt = FLOATS[kind]
    x = np.concatenate([inputs(fmt), float16_numbers().astype(np.float32)])
    assert_same(fmt.encode(x.astype(np.float64)), evaluated(kind, op, x), x)


@pytest.mark.parametrize("kind", [k for k in KINDS if k in INTEGERS])
def test_quantizers_to_integers(kind: str) -> None:
    fmt = INTEGERS[kind]
    x = np.concatenate([inputs(fmt), float16_numbers().astype(np.float32)])
    assert_same(fmt.encode(x.astype(np.float64)), evaluated(kind, "QuantizeLinear", x), x)


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_reads_every_code_as_hwsim_does(kind: str) -> None:
    """Through a packed initializer and Cast to float32."""
    fmt = NAMES[kind]
    every = all_codes(fmt)
    dtype = helper.tensor_dtype_to_np_dtype(getattr(TensorProto, kind))
    stored = every.view(dtype) if isinstance(fmt, FloatFormat) else every.astype(dtype)
    t = numpy_helper.from_array(stored, "x")
    assert t.data_type == getattr(TensorProto, kind)
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    graph = helper.make_graph([node], "read", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [t])
    got = ReferenceEvaluator(helper.make_model(graph)).run(None, {})[0]
    assert_same(values(fmt, every), got.astype(np.float64), every)
