"""One file an op: what its C and ONNX templates may see. All numbers, names, types and literals come from here."""

from __future__ import annotations

from types import ModuleType

from . import (
    add,
    block_matmul,
    block_quantize,
    concat,
    conv2d,
    expand,
    float_divide,
    float_pool,
    gather,
    lut,
    matmul,
    mul,
    normalize,
    pad,
    pool,
    pwl,
    reduce,
    requant,
    reshape,
    scaled_add,
    select,
    shift,
    shift_by,
    split,
    transpose,
)
from . import slice as slice_

VIEWS: dict[str, ModuleType] = {
    m.__name__.rpartition(".")[2]: m
    for m in (
        *(
            matmul,
            block_matmul,
            block_quantize,
            conv2d,
            pool,
            float_pool,
            requant,
            lut,
            pwl,
            add,
            mul,
            scaled_add,
            float_divide,
            reduce,
            shift,
            shift_by,
            normalize,
            select,
        ),
        *(reshape, transpose, concat, split, slice_, pad, gather, expand),
    )
}
