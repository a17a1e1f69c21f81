"""Arrays from and to disk, and random codes where there are none."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..formats import Codes, FloatFormat
from ..front import FrontGraph
from ..graph import Graph
from ..inputs import input_codes
from ..store import EPOCH

Arrays = dict[str, NDArray[Any]]
DAMAGED = (ValueError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, MemoryError)


def load_npz(path: str) -> Arrays:
    """Every array of an ``.npz``; ValueError names what is wrong with the file or a member."""
    try:
        with Path(path).open("rb") as f:
            check_magic(f, b"PK", "a zip of arrays whose keys are the input names, as numpy.savez writes it")
            with np.load(f, allow_pickle=False) as loaded:
                arrays = {key: loaded[key] for key in loaded.files}
        if strange := [key for key, x in arrays.items() if not isinstance(x, np.ndarray)]:
            raise ValueError(f"member {strange[0][:60]!r} is no array")
    except DAMAGED as e:
        raise ValueError(f"{path}: no valid .npz: {e}") from None
    if not arrays:
        raise ValueError(f"{path}: holds no arrays; its keys must be the input names")
    return arrays


def load_codes(path: str, graph: Graph, samples: int | None) -> dict[str, Codes]:
    """The first `samples` of every input of `graph` as codes, from an ``.npz`` of codes or reals; None takes all."""
    arrays = first_samples(load_npz(path), graph, samples)
    with named(path):
        return input_codes(graph, arrays)


@contextmanager
def named(path: str) -> Iterator[None]:
    """Put the file's name before what is wrong with its content."""
    try:
        yield
    except ValueError as e:
        raise ValueError(f"{path}: {e}") from None


def load_npy(path: str) -> NDArray[Any]:
    """The one array of an ``.npy``."""
    try:
        with Path(path).open("rb") as f:
            check_magic(f, b"\x93NUMPY", "one array, as numpy.save writes it")
            loaded: NDArray[Any] = np.load(f, allow_pickle=False)
    except DAMAGED as e:
        raise ValueError(f"{path}: no valid .npy: {e}") from None
    return loaded


def load_reals(path: str) -> Arrays:
    """Samples to calibrate on: floats (or integers, see `check_reals`), at least one each, all equally many."""
    arrays = load_npz(path)
    for name, x in arrays.items():
        if x.dtype.kind not in "fiub":
            raise ValueError(f"{path}: {name[:60]!r} is {x.dtype}; give reals, or integers for an embedding or a mask")
        if x.ndim == 0 or not len(x):
            raise ValueError(f"{path}: {name[:60]!r} has shape {x.shape}; the calibration set is empty")
    if len({len(x) for x in arrays.values()}) > 1:
        sizes = {name[:60]: len(x) for name, x in arrays.items()}
        raise ValueError(f"{path}: first axes must be samples, equally many: {sizes}")
    return arrays


def check_reals(path: str, arrays: Arrays, front: FrontGraph) -> None:
    """ValueError for integers that are neither indices nor masks: 8-bit images are not what a model on [0, 1] sees."""
    for name, x in arrays.items():
        if x.dtype.kind != "f" and name not in front.indices() | front.masks():
            raise ValueError(f"{path}: {name[:60]!r} is {x.dtype}; calibration needs reals, save it as float32")
    with named(path):
        front.taken(arrays)


def load_labels(path: str) -> NDArray[Any]:
    """The right classes, one integer a sample, from an ``.npy``."""
    labels = load_npy(path)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{path}: labels are {labels.dtype} of shape {labels.shape}, need one integer a sample")
    return labels


def check_magic(f: BinaryIO, magic: bytes, wanted: str) -> None:
    """Raise ValueError unless the file begins with `magic`. Why: numpy takes anything else for a pickle and says so."""
    if f.read(len(magic)) != magic:
        raise ValueError(f"the file is not {wanted}")
    f.seek(0)


def dump_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An uncompressed ``.npz``: same arrays, same bytes. Why not np.savez: it takes no array called ``file``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for name, x in arrays.items():
            if "\0" in name:
                raise ValueError(f"value name {name[:60]!r} holds a NUL character, which an .npz cannot keep")
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(x, order="C"), allow_pickle=False)
            z.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), member.getvalue())
    return out.getvalue()


def random_codes(graph: Graph, samples: int, seed: int) -> dict[str, Codes]:
    """`samples` samples of every input, uniform over all codes that name numbers."""
    if samples < 1 or seed < 0:
        raise ValueError(f"samples {samples} must be >= 1, seed {seed} must be >= 0")
    rng = np.random.default_rng(seed)
    codes: dict[str, Codes] = {}
    for v in graph.inputs:
        fmt, shape = v.type.fmt, ((samples,) if v.type.batched else ()) + v.type.sample_shape
        if isinstance(fmt, FloatFormat):
            legal = np.arange(fmt.max_code + 1)
            codes[v.name] = rng.choice(legal[~fmt.is_reserved(legal)], shape).astype(fmt.dtype)
        else:
            codes[v.name] = rng.integers(fmt.min_code, fmt.max_code, shape, dtype=fmt.dtype, endpoint=True)
    return codes


def first_samples(arrays: Mapping[str, NDArray[Any]], graph: Graph, samples: int | None) -> Arrays:
    """The first `samples` of every batched input; None takes all."""
    if samples is None:
        return dict(arrays)
    if samples < 1:
        raise ValueError(f"samples {samples} must be >= 1")
    batched = {v.name for v in graph.inputs if v.type.batched}
    return {name: x[:samples] if name in batched and x.ndim else x for name, x in arrays.items()}
