"""What goes into a graph: arrays of codes or of reals, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .formats import UINT1, Codes
from .graph import Graph, Value
from .qtensor import check_codes, encode, holds_codes_alone


def input_codes(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Codes]:
    """Checked codes of every input; see `hwsim.simulate`."""
    return _each(graph, inputs, as_codes)


def input_arrays(
    graph: Graph, inputs: Mapping[str, NDArray[Any]], encodes: Callable[[NDArray[Any], Any], bool]
) -> dict[str, NDArray[Any]]:
    """The same, all contiguous; left where they are: reals that will be encoded, and codes that cannot be wrong.

    Args:
        graph: whose inputs they are.
        inputs: see `hwsim.simulate`.
        encodes: whether reals will be encoded to a type by whoever gets them.
    """

    def array(value: Value, x: NDArray[Any]) -> NDArray[Any]:
        x = shaped(value, x)
        later = encodes(x, value.type) or holds_codes_alone(x.dtype, value.type.fmt)
        return np.asarray(x if later else as_codes(value, x), order="C")

    return _each(graph, inputs, array)


def _each(
    graph: Graph, inputs: Mapping[str, NDArray[Any]], make: Callable[[Value, NDArray[Any]], NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    known = {v.name for v in graph.inputs}
    if inputs.keys() != known:
        raise ValueError(f"inputs are {sorted(inputs)}, graph {graph.name[:60]!r} has {sorted(known)}")
    made = {v.name: make(v, inputs[v.name]) for v in graph.inputs}
    sizes = {v.name: len(made[v.name]) for v in graph.inputs if v.type.batched}
    if len(set(sizes.values())) > 1 or 0 in sizes.values():
        raise ValueError(f"numbers of samples must be equal and >= 1, got {sizes}")
    return made


def shaped(value: Value, x: NDArray[Any]) -> NDArray[Any]:
    """`x` as an array of the input's shape."""
    x, t = np.asarray(x), value.type
    if x.shape[t.batched :] != t.sample_shape or x.ndim != len(t.shape):
        raise ValueError(f"input {value.name[:60]!r}: shape {x.shape} does not match {t.shape}")
    return x


def as_codes(value: Value, x: NDArray[Any]) -> Codes:
    """Codes of an input from codes (integer dtype) or reals (float dtype), by dtype, never by guess."""
    x, t, what = shaped(value, x), value.type, f"input {value.name[:60]!r}"
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
            raise ValueError(f"{what}: {x[at]} at index {at}; only finite numbers can be quantized")
        if t.fmt == UINT1 and (strange := x[~np.isin(x, (0, t.scale))]).size:
            raise ValueError(f"{what}: holds {strange[0]:g} ({strange.size} such); a mask holds 0 and 1 alone")
        return encode(x.astype(np.float64), t)
    if x.dtype.kind == "b" and t.fmt == UINT1:
        x = x.astype(t.fmt.dtype)
    if x.dtype.kind not in "iu":
        raise ValueError(f"{what}: dtype {x.dtype}; give codes as integers or reals as floats")
    check_codes(x, t.fmt, what)
    return x.astype(t.fmt.dtype)
