"""hwsim: what the hardware computes. One integer graph, one set of bits."""

from __future__ import annotations

from .contracts import CONTRACTS, Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from .formats import (
    FORMATS,
    FP4_E1M2,
    FP4_E2M1,
    FP4_E3M0,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E5M2,
    INT2,
    INT4,
    INT8,
    INT16,
    INT24,
    INT32,
    INT48,
    INT64,
    TERNARY,
    UINT1,
    UINT2,
    UINT4,
    UINT8,
    UINT16,
    UINT32,
    FloatFormat,
    IntFormat,
)
from .graph import Graph, Node, Value
from .qtensor import BATCH, QTensor, QType, quantize
from .recipe import Recipe
from .simulation import simulate
from .store import load, save

__version__ = "0.1.0"

__all__ = [
    "BATCH",
    "CONTRACTS",
    "FORMATS",
    "FP4_E1M2",
    "FP4_E2M1",
    "FP4_E3M0",
    "FP6_E2M3",
    "FP6_E3M2",
    "FP8_E4M3",
    "FP8_E5M2",
    "INT2",
    "INT4",
    "INT8",
    "INT16",
    "INT24",
    "INT32",
    "INT48",
    "INT64",
    "TERNARY",
    "UINT1",
    "UINT2",
    "UINT4",
    "UINT8",
    "UINT16",
    "UINT32",
    "Dyadic16",
    "FloatFormat",
    "Graph",
    "IntFormat",
    "Node",
    "OnnxFloat",
    "Pow2",
    "QTensor",
    "QType",
    "Recipe",
    "TflSingle",
    "TflmDouble",
    "Value",
    "load",
    "quantize",
    "save",
    "simulate",
]
