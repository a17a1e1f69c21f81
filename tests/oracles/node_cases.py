"""onnx's own node cases of low precision: collected once a session, as plain arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

QUANTIZERS = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
PRODUCTS = {"QLinearMatMul", "QLinearConv", "MatMulInteger", "ConvInteger"}
LOW = ("FLOAT8", "FLOAT6", "FLOAT4", "INT4", "UINT4", "INT2", "UINT2")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case: the type of its first input and of its first output, its node's attributes, its data."""

    name: str
    op: str
    source: str
    target: str
    attributes: dict[str, Any]
    ins: tuple[np.ndarray, ...]
    out: np.ndarray


@cache
def node_cases() -> tuple[Case, ...]:
    """Every quantizer, integer product and low precision cast of the installed onnx."""
    with warnings.catch_warnings(action="ignore"):  # making the cases overflows on purpose
        found = collect_testcases(None)
    return tuple(c for case in found if case.model is not None for c in _cases(case))


def _cases(case: Any) -> list[Case]:
    graph = case.model.graph
    ops = {n.op_type for n in graph.node}
    kinds = [TensorProto.DataType.Name(v.type.tensor_type.elem_type) for v in (*graph.input, *graph.output)]
    low = any(k.startswith(LOW) for k in kinds)
    if not (ops & (QUANTIZERS | PRODUCTS) or (low and ops & {"Cast", "CastLike"})):
        return []
    op = graph.node[0].op_type if len(graph.node) == 1 else "composition"
    attributes = {a.name: helper.get_attribute_value(a) for a in graph.node[0].attribute}
    target = kinds[len(graph.input)]
    return [
        Case(
            name=case.name,
            op=op,
            source=kinds[0],
            target=target,
            attributes=attributes,
            ins=tuple(_array(x) for x in ins),
            out=_array(outs[0]),
        )
        for ins, outs in case.data_sets
    ]


def _array(x: Any) -> np.ndarray:
    return numpy_helper.to_array(x) if isinstance(x, TensorProto) else np.asarray(x)
