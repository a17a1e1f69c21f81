"""The report of one build as plain data: no times, no dates, no host names, so the same build gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..ablation import Ablation
from ..graph import Graph, Value
from .blocks import BlockError
from .fidelity import Comparison
from .layers import Layer, layer_rows, total_macs, total_parameters

VERSION = 1  # of the layout of report.json
PACKAGES = ("numpy", "numba", "onnx", "onnxruntime")


class VerifyRow(Protocol):
    """What is read of `codegen.verify`'s rows (reports may not import codegen)."""

    @property
    def engine(self) -> str:
        """Key of the engine."""
        ...

    @property
    def build(self) -> str:
        """``release`` or ``trace``."""
        ...

    @property
    def tool(self) -> str:
        """Compiler and flags, or runtime and options."""
        ...

    @property
    def values(self) -> int:
        """Tensors compared."""
        ...

    @property
    def codes(self) -> int:
        """Codes compared."""
        ...

    @property
    def mismatches(self) -> int:
        """Codes that differ."""
        ...

    @property
    def instructions(self) -> int | None:
        """Of one inference, where the engine counts them."""
        ...

    @property
    def first(self) -> Any:
        """The first mismatch, a dataclass, or None."""
        ...


class Bytes(Protocol):
    """What is read of `codegen.footprint`."""

    @property
    def flash(self) -> int:
        """Constants in the generated C, bytes."""
        ...

    @property
    def arena(self) -> int:
        """Static buffers, bytes."""
        ...

    @property
    def io(self) -> int:
        """The caller's buffers, bytes."""
        ...


def build_report(
    graph: Graph,
    *,
    source: str,
    data: str,
    samples: int,
    verify: Sequence[VerifyRow],
    footprint: Bytes,
    comparison: Comparison | None = None,
    labels: ArrayLike | None = None,
    ablation: Sequence[Ablation] = (),
    memory: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything the report says, ready for `json.dumps`.

    Args:
        graph: the integer graph.
        source: what it was made from, a name without folders.
        data: what it was checked on, in words.
        samples: how many samples `verify` compared.
        verify: rows of `codegen.verify`.
        footprint: of `codegen.footprint`.
        comparison: from `compare`.
        labels: the right classes, shape (samples,).
        ablation: from `hwsim.ablation.ablate`.
        memory: from `hwsim.reports.memory.memory_entry`.
    """
    return {
        "report": VERSION,
        "ok": bool(verify) and all(r.codes > 0 and r.mismatches == 0 for r in verify),
        "model": model_entry(graph, source),
        "data": {"description": data, "samples": samples},
        "versions": versions(),
        "recipe": graph.recipe,
        "accuracy": accuracy(comparison, labels) if comparison else None,
        "totals": totals(graph, footprint),
        "memory": memory,
        "layers": [layer_entry(row) for row in layer_rows(graph, comparison.fidelity if comparison else None)],
        "blocks": [block_entry(b) for b in comparison.blocks] if comparison else [],
        "ablation": [asdict(a) for a in ablation],
        "verify": [verify_entry(r) for r in verify],
    }


def dumps_report(report: Mapping[str, Any]) -> str:
    """The text of report.json."""
    return json.dumps(report, indent=1, allow_nan=False) + "\n"


def model_entry(graph: Graph, source: str) -> dict[str, Any]:
    """Name, source, inputs and outputs."""
    return {
        "name": graph.name,
        "source": source,
        "inputs": [_value(v) for v in graph.inputs],
        "outputs": [_value(v) for v in graph.outputs],
    }


def totals(graph: Graph, footprint: Bytes | None) -> dict[str, Any]:
    """Work and memory of one sample; bytes are of the generated C, None where it was not made."""
    sizes = {key: getattr(footprint, key) if footprint else None for key in ("flash", "arena", "io")}
    return {
        "nodes": len(graph.nodes),
        "macs": total_macs(graph),
        "parameters": total_parameters(graph),
        **{f"{key}_bytes": size for key, size in sizes.items()},
    }


def layer_entry(row: Layer) -> dict[str, Any]:
    """One layer, flat."""
    entry = asdict(row)
    fidelity = entry.pop("fidelity") or {"sqnr_db": None, "max_error": None, "max_error_lsb": None}
    return {**entry, **fidelity}


def block_entry(row: BlockError) -> dict[str, Any]:
    """One softmax or norm; four digits, more would be noise of the platform's exp."""
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in asdict(row).items()}


def verify_entry(row: VerifyRow) -> dict[str, Any]:
    """One row without its seconds, which differ from run to run."""
    keys = ("engine", "build", "tool", "values", "codes", "mismatches", "instructions")
    entry = {key: getattr(row, key) for key in keys}
    return {**entry, "first": None if row.first is None else asdict(row.first)}


def accuracy(comparison: Comparison, labels: ArrayLike | None) -> dict[str, Any] | None:
    """How often the largest score is the right one, in float and in integers, and how often the two agree."""
    integer, floating = comparison.integer_answers, comparison.float_answers
    if integer is None:
        if labels is not None:
            raise ValueError("labels need a model with one output of shape (samples, classes >= 2)")
        return None
    right = None if labels is None else check_labels(labels, len(integer))
    correct = [None if right is None or a is None else int((a == right).sum()) for a in (floating, integer)]
    return {
        "samples": comparison.samples,
        "float_correct": correct[0],
        "integer_correct": correct[1],
        "same_answers": None if floating is None else int((floating == integer).sum()),
    }


def check_labels(labels: ArrayLike, samples: int) -> np.ndarray[Any, Any]:
    """Labels as integers; ValueError unless there is one a sample."""
    a = np.asarray(labels)
    if a.dtype.kind not in "iu" or a.shape != (samples,):
        raise ValueError(f"labels are {a.dtype} of shape {a.shape}, need one integer a sample: shape ({samples},)")
    return a


def versions() -> dict[str, str]:
    """Versions of what the figures depend on, where installed."""
    from .. import __version__

    found = {"hwsim": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _value(v: Value) -> dict[str, Any]:
    t = v.type
    return {"name": v.name, "shape": t.shape, "format": t.fmt.name, "scale": t.scale, "zero_point": t.zero_point}
