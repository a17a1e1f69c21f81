"""The front graph: the field's float operations, as torch and ONNX write them down.

Calibration runs on it; one lowering (`hwsim.lowering`) turns it into the integer Graph.

A value has the batch as first axis; parameters have none. `where` is the user's source line.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .front_ops import FRONT_OPS, Floats, evaluate_op


@dataclass(frozen=True)
class Mark:
    """A quantizer on a value or parameter: scale and zero point that training has settled (format by recipe).

    Args:
        scale: real value of one step, or one an output channel of a weight.
        zero_point: code that means 0.
    """

    scale: float | tuple[float, ...]
    zero_point: int = 0


@dataclass(frozen=True)
class FrontNode:
    """One float operation: name in `FRONT_OPS`, inputs (values or parameters), result, settings, source line."""

    op: str
    ins: tuple[str, ...]
    out: str
    attrs: dict[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass
class FrontGraph:
    """Inputs with the shape of one sample, parameters, nodes in order, outputs; `marks` on values and parameters."""

    name: str = "model"
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    params: dict[str, Floats] = field(default_factory=dict)
    nodes: list[FrontNode] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ValueError for unknown operations (all of them), dangling names, and parameters with NaN or Inf."""
        unknown = [f"{n.op} ({n.out}{', ' + n.where if n.where else ''})" for n in self.nodes if n.op not in FRONT_OPS]
        if unknown:
            raise ValueError(f"operations not supported: {'; '.join(unknown)}; known: {', '.join(FRONT_OPS)}")
        for name, p in self.params.items():
            if not np.isfinite(p).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(p))[0])
                raise ValueError(f"parameter {name!r}: {p[at]} at index {at}; weights must be finite")
        known = {*self.inputs, *self.params}
        for n in self.nodes:
            if missing := [i for i in n.ins if i not in known]:
                raise ValueError(f"{n.op} {n.out!r} reads {missing}, which nothing defines before it")
            if n.out in known:
                raise ValueError(f"value {n.out!r} is defined twice")
            known.add(n.out)
        if missing := [o for o in self.outputs if o not in known - set(self.params)]:
            raise ValueError(f"outputs {missing} are no values of the graph")

    def consumers(self, value: str) -> list[FrontNode]:
        """Nodes that read `value`."""
        return [n for n in self.nodes if value in n.ins]

    def indices(self) -> set[str]:
        """Values that an embedding reads: integers where everything else is real."""
        return {n.ins[0] for n in self.nodes if n.op == "embedding"}

    def masks(self) -> set[str]:
        """Inputs of 0 and 1 alone."""
        return {n.ins[0] for n in self.nodes if n.op == "mask"} & set(self.inputs)

    def taken(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """A batch of inputs in float32; ValueError for wrong names, shapes, NaN or Inf."""
        if set(inputs) != set(self.inputs):
            raise ValueError(f"inputs are {sorted(inputs)}, the model has {sorted(self.inputs)}")
        env: dict[str, Floats] = {}
        for name, shape in self.inputs.items():
            x = np.asarray(inputs[name], np.float32)
            if x.shape[1:] != shape or x.ndim == 0 or not len(x):
                raise ValueError(f"input {name!r}: shape {x.shape} does not match (samples >= 1, {shape})")
            if not np.isfinite(x).all():
                raise ValueError(f"input {name!r}: {int((~np.isfinite(x)).sum())} elements are NaN or Inf")
            env[name] = x
        return env

    def evaluate(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, Floats]:
        """Every value in float32 for a batch of inputs; ValueError for what `taken` refuses."""
        env = self.taken(inputs)
        for n in self.nodes:
            ins = [env[i] if i in env else self.params[i] for i in n.ins]
            try:
                env[n.out] = evaluate_op(n.op, n.attrs, *ins)
            except (ValueError, IndexError) as e:
                place = f" at {n.where}" if n.where else ""
                told = f"input {n.ins[0]!r}" if n.op == "mask" else f"shapes {[i.shape for i in ins]} do not fit"
                raise ValueError(f"{n.op} {n.out!r}{place}: {told}: {e}") from None
        return env

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of one sample of every value."""
        masks = self.masks()  # Why ones: the mean of what a mask keeps needs something
        zeros = {k: np.full((1, *shape), k in masks, np.float32) for k, shape in self.inputs.items()}
        return {name: v.shape[1:] for name, v in self.evaluate(zeros).items()}


def dumps_front(front: FrontGraph) -> bytes:
    """An ``.npz`` of the parameters with the structure as JSON bytes under ``graph``; same graph, same bytes."""
    structure = {
        "name": front.name,
        "inputs": front.inputs,
        "params": list(front.params),
        "nodes": [asdict(n) for n in front.nodes],
        "outputs": front.outputs,
        "marks": {name: asdict(m) for name, m in front.marks.items()},
    }
    text = np.frombuffer(json.dumps(structure).encode(), np.uint8)
    out = io.BytesIO()
    arrays: dict[str, Any] = {f"p{i}": p for i, p in enumerate(front.params.values())}
    np.savez_compressed(out, graph=text, **arrays)
    return out.getvalue()


def load_front(path: str | os.PathLike[str]) -> FrontGraph:
    """The front graph in a file that `dumps_front` made."""
    with np.load(Path(path), allow_pickle=False) as z:
        d = json.loads(z["graph"].tobytes())
        params = {name: z[f"p{i}"] for i, name in enumerate(d["params"])}
    nodes = [FrontNode(n["op"], tuple(n["ins"]), n["out"], n["attrs"], n["where"]) for n in d["nodes"]]
    inputs = {k: tuple(s) for k, s in d["inputs"].items()}
    marks = {
        k: Mark(tuple(s) if isinstance(s := m["scale"], list) else s, m["zero_point"])
        for k, m in d.get("marks", {}).items()
    }
    front = FrontGraph(d["name"], inputs, params, nodes, d["outputs"], marks)
    front.check()
    return front


def evaluate_in_batches(front: FrontGraph, batches: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, Floats]:
    """Every value over all batches, concatenated."""
    parts = [front.evaluate(b) for b in batches]
    if not parts:
        raise ValueError("no batches: the data set is empty")
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
