"""onnx's own node cases through our formats and ops: each is run with equality, or listed here with its reason.

What ONNX leaves undefined is no element of a comparison: NaN cast to FLOAT4E2M1, a float out of range cast to INT4
or INT2 (their counts are asserted).
"""

from __future__ import annotations

import subprocess
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from codegen import emit_c
from codegen.runners.c import STRICT, compilers
from hwsim import BATCH, Graph, OnnxFloat, Pow2, QTensor, QType, quantize
from hwsim.dialects.linear import linear
from hwsim.formats import FORMATS, FP8_E4M3FNUZ, FP8_E5M2FNUZ, INT32, FloatFormat, Format, IntFormat
from hwsim.ops import Conv2d, MatMul, Requant
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.node_cases import PRODUCTS, Case, node_cases

FORMAT = {
    **{f"{sign}INT{b}": FORMATS[f"{sign.lower()}int{b}"] for b in (2, 4, 8, 16) for sign in ("", "U")},
    **{"FLOAT4E2M1": FORMATS["fp4_e2m1"], "FLOAT8E4M3FN": FORMATS["fp8_e4m3"], "FLOAT8E5M2": FORMATS["fp8_e5m2"]},
    **{"FLOAT8E4M3FNUZ": FP8_E4M3FNUZ, "FLOAT8E5M2FNUZ": FP8_E5M2FNUZ},
}
LEFT_OUT = {  # name contains: why
    "e8m0": "E8M0 holds exponents of blocks, not the codes of a tensor; its cast has roundings of its own",
    "dynamicquantizelinear": "scales made at run time from the data; a graph's scales are constants",
}


def left_out(case: Case) -> bool:
    return any(part in case.name for part in LEFT_OUT)


def kind(case: Case) -> str:
    if left_out(case):
        return "left out"
    return {"CastLike": "Cast"}.get(case.op, "product" if case.op in PRODUCTS else case.op)


def cases(of: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [c for c in node_cases() if kind(c) == of], ids=lambda c: c.name)


def test_every_case_is_run_or_listed() -> None:
    counts = Counter(kind(c) for c in node_cases())
    assert counts == {"Cast": 144, "QuantizeLinear": 13, "DequantizeLinear": 14, "product": 12, "left out": 10}


def codes_of(y: np.ndarray, fmt: Format) -> np.ndarray:
    if isinstance(fmt, FloatFormat):
        return y.view(np.uint8) & ((1 << fmt.bits) - 1)
    return y.astype(fmt.dtype)


def values(codes: np.ndarray, fmt: Format) -> np.ndarray:
    y = np.ldexp(fmt.to_int(codes).astype(np.float64), fmt.lsb_exp)
    return np.where(fmt.is_reserved(codes), np.nan, y) if isinstance(fmt, FloatFormat) else y


@cases("Cast")
def test_cast(case: Case) -> None:
    x, want = case.ins[0].reshape(-1), case.out.reshape(-1)
    if case.source in FORMAT:
        got = values(codes_of(x, FORMAT[case.source]), FORMAT[case.source])
        np.testing.assert_array_equal(got, want.astype(np.float64))
        return
    x, fmt = x.astype(np.float64), FORMAT[case.target]
    if isinstance(fmt, FloatFormat):
        defined = ~np.isnan(x) if case.target == "FLOAT4E2M1" else np.ones(x.shape, bool)
        got = fmt.cast(x[defined], saturate=bool(case.attributes.get("saturate", 1)) and "no_saturate" not in case.name)
    else:
        defined = (x >= fmt.min_int) & (x <= fmt.max_int)
        got = fmt.encode(x[defined], "toward_zero")
        assert defined.sum() in (1 << fmt.bits, fmt.max_int + 1)  # all codes that the data can reach
    assert_same(codes_of(want, fmt)[defined], got, x[defined], what=case.name)
    assert defined.sum() >= x.size - 1 or not isinstance(fmt, FloatFormat)


INTEGERS = [
    c
    for c in node_cases()
    if kind(c) == "Cast" and {c.source, c.target} <= set(FORMAT) and "FLOAT" not in c.source + c.target
]


@pytest.mark.parametrize("case", INTEGERS, ids=lambda c: c.name)
def test_integer_casts_on_every_engine(case: Case) -> None:
    """Wider or of another sign: the codes of the source in the target's container, generated C included."""
    source, target = FORMAT[case.source], FORMAT[case.target]
    assert isinstance(source, IntFormat)
    assert isinstance(target, IntFormat)
    x = case.ins[0].astype(source.dtype).reshape(-1, 1)
    inside = (x >= target.min_int) & (x <= target.max_int)  # ONNX leaves the rest undefined
    x, want = x[inside].reshape(-1, 1), case.out.astype(target.dtype).reshape(-1, 1)[inside].reshape(-1, 1)
    g = Graph(case.name)
    value = g.input("x", QType((BATCH, 1), source))
    g.output(g.add(Requant(contract=Pow2(shift=(0,)), fmt=target, scale=1.0), value, name="y"))
    assert check_engines(g, {"x": x}, {"y": want}) > 0


def parts(case: Case) -> list[tuple[tuple[slice, ...], np.ndarray, np.ndarray]]:
    """Where each scale applies: index, scale, zero point; blocks are tensors of their own."""
    scale = case.ins[1]
    zero = case.ins[2] if len(case.ins) > 2 else np.zeros(scale.shape)
    zero = np.broadcast_to(zero.reshape(-1) if scale.size == 1 < zero.ndim else zero, scale.shape or zero.shape)
    if scale.size == 1:
        return [((), scale.reshape(-1)[0], zero.reshape(-1)[0])]
    axis, block = case.attributes.get("axis", 1), case.attributes.get("block_size", 0)
    if not block:
        at = [(slice(None),) * axis + (slice(c, c + 1),) for c in range(scale.size)]
        return list(zip(at, scale, zero, strict=True))
    steps = [block if i == axis else 1 for i in range(scale.ndim)]
    return [
        (tuple(slice(i * s, (i + 1) * s) for i, s in zip(index, steps, strict=True)), scale[index], zero[index])
        for index in product(*map(range, scale.shape))
    ]


@cases("QuantizeLinear")
def test_quantize(case: Case) -> None:
    x, fmt = case.ins[0].astype(np.float64), FORMAT[case.target]
    got = np.zeros(x.shape, fmt.dtype)
    for at, scale, zero in parts(case):
        if isinstance(fmt, FloatFormat):
            got[at] = fmt.cast(x[at] / float(scale) + float(zero))  # the zero point is +0: so is -0 + it
        else:
            got[at] = quantize(x[at], fmt, scale=float(scale), zero_point=int(zero)).codes
    assert_same(codes_of(case.out, fmt), got, x, what=case.name)


@cases("DequantizeLinear")
def test_dequantize(case: Case) -> None:
    fmt = FORMAT[case.source]
    x = codes_of(case.ins[0], fmt)
    got = np.zeros(x.shape, case.out.dtype)
    for at, scale, zero in parts(case):
        codes = x[at]
        got[at] = QTensor(QType(codes.shape, fmt, float(scale), int(zero)), codes).dequantize()
    assert_same(case.out, got, x, what=case.name)


SINGLE = [c for c in node_cases() if kind(c) == "DequantizeLinear" and c.ins[1].size == 1]


@pytest.mark.parametrize("case", SINGLE, ids=lambda c: c.name)
def test_dequantize_in_c(case: Case, tmp_path: Path) -> None:
    """The generated header's helper, where one scale serves all; a scale a channel or a block has no helper."""
    fmt = FORMAT[case.source]
    codes = codes_of(case.ins[0], fmt).reshape(-1)
    ((_, scale, zero),) = parts(case)
    g = Graph("m")
    g.output(g.input("x", QType((BATCH, 1), fmt, float(scale), int(zero))))
    for name, text in emit_c(g).items():
        (tmp_path / name).write_text(text)
    kind_of = f"{np.dtype(fmt.dtype).name}_t"
    (tmp_path / "use.c").write_text(
        f'#include <stdio.h>\n#include "m.h"\nint main(void) {{ {kind_of} q; while (fread(&q, sizeof q, 1, stdin)) '
        "{ float r = m_dequantize_x_2(q); fwrite(&r, sizeof r, 1, stdout); } return 0; }"
    )
    sources = [str(tmp_path / f) for f in ("use.c", "m.c", "m_data.c")]
    subprocess.run([*compilers()["gcc"], "-O2", *STRICT, "-o", str(tmp_path / "use"), *sources], check=True)
    out = subprocess.run([tmp_path / "use"], input=codes.tobytes(), capture_output=True, check=True).stdout
    got = np.frombuffer(out, np.float32).astype(case.out.dtype)
    assert_same(case.out.reshape(-1), got, codes, what=case.name)


def tensor(codes: np.ndarray, fmt: Format, scale: float, zero: np.ndarray, batched: bool = False) -> QTensor:
    """Codes with one zero point, or one a channel of the first axis."""
    many = zero.size > 1
    shape = (BATCH, *codes.shape[1:]) if batched else codes.shape
    zeros = tuple(zero.tolist()) if many else int(zero.reshape(-1)[0])
    return QTensor(QType(shape, fmt, scale, zeros, 0 if many else None), np.ascontiguousarray(codes))


def run_product(name: str, op: Conv2d | MatMul, x: QTensor, w: QTensor, out: QTensor | None, want: np.ndarray) -> None:
    """Through numpy, numba, generated C and the emitted ONNX; without `out` the accumulator is the result."""
    g = Graph(name)
    value = g.input("x", x.type)
    if out is None:
        axis = 0 if isinstance(op, Conv2d) else 1
        sums = np.moveaxis(w.to_int(), axis, -1).reshape(-1, w.codes.shape[axis]).sum(0)
        start = (-int(np.max(x.type.zero_point)) * sums).astype(np.int32)
        bias = g.constant("bias", QTensor(QType(start.shape, INT32), start))
        y = g.add(op, value, g.constant("w", w), bias, name="y")
    else:
        ratio = float(x.type.scale) * np.asarray(w.type.scale) / float(out.type.scale)
        y = linear(g, op, value, w, None, out.type, OnnxFloat.of(ratio), name="y")
    g.output(y)
    assert check_engines(g, {"x": x.codes}, {"y": want}) > 0


@cases("product")
def test_product(case: Case) -> None:
    fmt, conv = FORMAT[case.source], "Conv" in case.op
    out = None
    if case.op.startswith("QLinear"):
        x, sx, zx, w, sw, zw, sy, zy = case.ins
        out = tensor(case.out, FORMAT[case.target], float(sy.reshape(-1)[0]), zy)
    else:
        x, w, zx, zw = (*case.ins, np.zeros((), np.uint8))[:4]
        sx = sw = np.ones(1)
    scales = [float(s.reshape(-1)[0]) for s in (sx, sw)]
    if conv:
        top, left, bottom, right = case.attributes.get("pads", (0, 0, 0, 0))
        a, b = tensor(x.transpose(0, 2, 3, 1), fmt, scales[0], zx, True), w.transpose(0, 2, 3, 1)
        op = Conv2d(kernel=b.shape[1:3], padding=((top, bottom), (left, right)))
        run_product(case.name, op, a, tensor(b, fmt, scales[1], zw), out, case.out.transpose(0, 2, 3, 1))
        return
    sets = [(x, w, case.out)] if x.ndim == 2 else list(zip(x, w, case.out, strict=True))
    for rows, weights, want in sets:
        a, b = tensor(rows, fmt, scales[0], zx, True), tensor(weights, fmt, scales[1], zw)
        run_product(case.name, MatMul(), a, b, out, want)
