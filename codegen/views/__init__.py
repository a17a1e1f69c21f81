"""One file an op: what its C and ONNX templates may see. All numbers, names, types and literals come from here."""

from __future__ import annotations

from types import ModuleType

from . import (
    add,
    concat,
    expand,
    gather,
    lut,
    matmul,
    mul,
    pad,
    pwl,
    reduce,
    requant,
    reshape,
    select,
    shift,
    split,
    transpose,
)
from . import slice as slice_

VIEWS: dict[str, ModuleType] = {
    **{"add": add, "concat": concat, "expand": expand, "gather": gather, "lut": lut, "matmul": matmul, "mul": mul},
    **{"pad": pad, "pwl": pwl, "reduce": reduce, "requant": requant, "reshape": reshape, "select": select},
    **{"shift": shift, "slice": slice_, "split": split, "transpose": transpose},
}
