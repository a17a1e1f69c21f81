"""hwsim: what the hardware computes. One integer graph, one set of bits."""

from __future__ import annotations

from . import plot
from .blockformats import (
    BLOCK_FORMATS,
    MXFP4,
    MXFP6_E2M3,
    MXFP6_E3M2,
    MXFP8_E4M3,
    MXFP8_E5M2,
    MXINT8,
    NVFP4,
    BlockFormat,
    BlockTensor,
    quantize_blocks,
)
from .comparison import FormatError, compare
from .contracts import CONTRACTS, Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle
from .costs.estimates import Estimate
from .costs.estimation import estimate
from .costs.hardware import Hardware
from .formats import (
    BINARY,
    E8M0,
    FORMATS,
    FP4_E1M2,
    FP4_E2M1,
    FP4_E3M0,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E4M3FNUZ,
    FP8_E5M2,
    FP8_E5M2FNUZ,
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
from .graph import Graph, Node, State, Value
from .narrowest import Narrowest, narrowest_accumulator
from .ops.datapath import Datapath
from .qtensor import BATCH, QTensor, QType, quantize
from .recipe import Recipe
from .simulation import simulate
from .store import load, save
from .streaming import stream

__version__ = "0.1.0"

__all__ = [
    "BATCH",
    "BINARY",
    "BLOCK_FORMATS",
    "CONTRACTS",
    "E8M0",
    "FORMATS",
    "FP4_E1M2",
    "FP4_E2M1",
    "FP4_E3M0",
    "FP6_E2M3",
    "FP6_E3M2",
    "FP8_E4M3",
    "FP8_E4M3FNUZ",
    "FP8_E5M2",
    "FP8_E5M2FNUZ",
    "INT2",
    "INT4",
    "INT8",
    "INT16",
    "INT24",
    "INT32",
    "INT48",
    "INT64",
    "MXFP4",
    "MXFP6_E2M3",
    "MXFP6_E3M2",
    "MXFP8_E4M3",
    "MXFP8_E5M2",
    "MXINT8",
    "NVFP4",
    "TERNARY",
    "UINT1",
    "UINT2",
    "UINT4",
    "UINT8",
    "UINT16",
    "UINT32",
    "BlockFormat",
    "BlockTensor",
    "Datapath",
    "Dyadic16",
    "Estimate",
    "FloatFormat",
    "FormatError",
    "Graph",
    "Hardware",
    "IntFormat",
    "Narrowest",
    "Node",
    "OnnxFloat",
    "Pow2",
    "QTensor",
    "QType",
    "Recipe",
    "State",
    "TflSingle",
    "TflmDouble",
    "Value",
    "compare",
    "estimate",
    "load",
    "narrowest_accumulator",
    "plot",
    "quantize",
    "quantize_blocks",
    "save",
    "simulate",
    "stream",
]
