"""The datapath primitives, one a file. `OPS` is the whole vocabulary."""

from __future__ import annotations

from .add import Add
from .block_matmul import BlockMatMul
from .block_quantize import BlockQuantize
from .concat import Concat
from .conv2d import Conv2d
from .datapath import Datapath
from .expand import Expand
from .float_divide import FloatDivide
from .float_pool import FloatPool
from .float_sum import Float32Sum
from .gather import Gather
from .lut import Lut
from .matmul import MatMul
from .mul import Mul
from .normalize import Normalize
from .pad import Pad
from .pool import Pool
from .pwl import Pwl
from .reduce import Reduce
from .requant import Requant
from .reshape import Reshape
from .scaled_add import ScaledAdd
from .select import Select
from .shift import Shift
from .shift_by import ShiftBy
from .slice import Slice
from .split import Split
from .transpose import Transpose

MOVEMENT = (Reshape, Transpose, Concat, Split, Slice, Pad, Expand)  # codes only move, by addresses known beforehand
OPS = (
    *(
        MatMul,
        BlockMatMul,
        BlockQuantize,
        Conv2d,
        Pool,
        FloatPool,
        Requant,
        Lut,
        Pwl,
        Add,
        Mul,
        ScaledAdd,
        FloatDivide,
        Reduce,
        Shift,
        ShiftBy,
        Normalize,
        Select,
    ),
    *MOVEMENT,
    Gather,
)

__all__ = [
    "MOVEMENT",
    "OPS",
    "Add",
    "BlockMatMul",
    "BlockQuantize",
    "Concat",
    "Conv2d",
    "Datapath",
    "Expand",
    "Float32Sum",
    "FloatDivide",
    "FloatPool",
    "Gather",
    "Lut",
    "MatMul",
    "Mul",
    "Normalize",
    "Pad",
    "Pool",
    "Pwl",
    "Reduce",
    "Requant",
    "Reshape",
    "ScaledAdd",
    "Select",
    "Shift",
    "ShiftBy",
    "Slice",
    "Split",
    "Transpose",
]
