"""Magika, Google's detector of file types (package `magika`, Apache-2.0), and files of known type to ask it about.

A float ONNX model: one-hot bytes, GELU by tanh, LayerNorm, a convolution, a maximum, softmax over 214 labels. The files
are those of the Python library and of installed packages: the same on every run of one installation.
"""

from __future__ import annotations

import importlib.util
import json
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MODEL = "models/standard_v3_3"
BLOCK, HALF, PADDING = 4096, 1024, 256  # bytes read at each end, tokens taken of each, the token that is no byte
CLEAR = {
    "py": ("python",), "pyi": ("python",), "h": ("c", "cpp"), "c": ("c",), "json": ("json",), "js": ("javascript",),
    "css": ("css",), "svg": ("svg",), "cmake": ("cmake",), "rst": ("rst",), "csv": ("csv",), "png": ("png",),
    "gz": ("gzip",), "so": ("elf",), "pyc": ("pythonbytecode",), "npy": ("npy",), "zip": ("zip",), "exe": ("pebin",),
    "wav": ("wav",), "onnx": ("onnx",),
}  # fmt: skip
"""File name's end -> labels, where the name settles the content: a magic number, or one grammar."""
UNCLEAR = {
    "hpp": ("cpp",), "cpp": ("cpp",), "html": ("html",), "md": ("markdown",), "xml": ("xml",), "sh": ("shell",),
    "yaml": ("yaml",), "toml": ("toml",), "pem": ("pem",), "bat": ("batch",), "txt": ("txt",), "ini": ("ini",),
}  # fmt: skip
"""Where it does not: C++ that is C too, templates, dialects with labels of their own, text that any text may be."""
LABELS = {**CLEAR, **UNCLEAR}
LEAST_BYTES = 200


@dataclass(frozen=True, kw_only=True)
class Files:
    """Token rows of some files, and the ends of their names: keys of `LABELS`."""

    tokens: NDArray[np.int32]
    kinds: list[str]


def model_folder() -> Path:
    """The folder of the model in the installed package; ValueError where it is not installed."""
    spec = importlib.util.find_spec("magika")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("package magika is not installed: pip install --no-deps magika")
    return Path(spec.submodule_search_locations[0]) / MODEL


def label_names() -> list[str]:
    """The label of each class."""
    names: list[str] = json.loads((model_folder() / "config.min.json").read_text())["target_labels_space"]
    return names


def tokens_of(data: bytes) -> NDArray[np.int32]:
    """2048 tokens: the first 1024 bytes of the file and the last, without white space at its ends, padded."""
    first, last = data[:BLOCK].lstrip()[:HALF], data[-BLOCK:].rstrip()[-HALF:]
    row = np.full(2 * HALF, PADDING, np.int32)
    row[: len(first)] = np.frombuffer(first, np.uint8)
    if last:
        row[-len(last) :] = np.frombuffer(last, np.uint8)
    return row


def known_files(each: int) -> tuple[Files, Files]:
    """Files to calibrate on, and others to measure: of each type at most `each`, evenly spread over those found.

    No two have the same tokens: packages carry copies of licences, headers and icons.
    """
    chosen: dict[bytes, tuple[str, NDArray[np.int32]]] = {}
    for kind, paths in paths_by_kind().items():
        for i in sorted({k * len(paths) // each for k in range(each)}) if paths else ():
            tokens = tokens_of(paths[i].read_bytes())
            chosen.setdefault(tokens.tobytes(), (kind, tokens))
    files = list(chosen.values())
    return files_of(files[::2]), files_of(files[1::2])


@cache
def paths_by_kind() -> dict[str, list[Path]]:
    """All files of known type, in order."""
    found: dict[str, list[Path]] = {kind: [] for kind in LABELS}
    for root in ("stdlib", "purelib"):
        for path in sorted(Path(sysconfig.get_path(root)).rglob("*")):
            kind = path.suffix.lower().lstrip(".")
            if kind in found and path.is_file() and not path.is_symlink() and path.stat().st_size >= LEAST_BYTES:
                found[kind].append(path)
    return found


def files_of(chosen: Sequence[tuple[str, NDArray[np.int32]]]) -> Files:
    """Files together."""
    return Files(tokens=np.stack([tokens for _, tokens in chosen]), kinds=[kind for kind, _ in chosen])
