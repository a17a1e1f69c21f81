"""ONNX Runtime and TFLM as engines that run a whole batch, with as many threads as asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .timed_outside import timed_tflm

Results = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Batched:
    """An engine with a model and a batch in it.

    Args:
        name: in words.
        samples: in the batch.
        run: one inference of the batch: outputs by name, codes or reals.
    """

    name: str
    samples: int
    run: Callable[[], Results]


def batched_ort(model: bytes, inputs: Mapping[str, NDArray[Any]], name: str, threads: int = 1) -> Batched:
    """A model in ONNX Runtime, all optimisations, as its users call it.

    Args:
        model: content of the file.
        inputs: the batch, made what the model declares.
        name: in words.
        threads: inside a node; nodes run one after another.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    fed = {i.name: np.ascontiguousarray(inputs[i.name], _dtype(i.type)) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]

    def run() -> Results:
        return dict(zip(names, session.run(None, fed), strict=True))

    return Batched(name=name, samples=len(next(iter(fed.values()))), run=run)


def _dtype(declared: str) -> Any:
    """``tensor(float)`` and its kind as numpy's."""
    inner = declared.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(inner, inner))


def batched_tflm(model: bytes, codes: Mapping[str, NDArray[Any]]) -> Batched:
    """A ``.tflite`` in TFLM, sample after sample."""
    engine, samples = timed_tflm(model), len(next(iter(codes.values())))

    def run() -> Results:
        steps = [engine.step({n: x[i : i + 1] for n, x in codes.items()}) for i in range(samples)]
        return {n: np.concatenate([s[n] for s in steps]) for n in steps[0]}

    return Batched(name=engine.name, samples=samples, run=run)
