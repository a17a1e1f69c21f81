"""The engines of ``hwsim bench simulate``, and that they compute the same network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formats import Codes
from ..inputs import input_codes
from ..qtensor import encode
from ..simulation import simulate
from .bench_simulate_models import Subject
from .data import Arrays

if TYPE_CHECKING:
    from codegen.runners.batched import Batched

OURS, CODES, NUMPY, EXACT, TFLM = "hwsim", "hwsim, codes in", "numpy", "ONNX Runtime, our exact form", "TFLM"
OWN, QONNX = "ONNX Runtime, ", "qonnx, "
CHECKED = 4  # samples on which codes are compared
NUMPY_SAMPLES = {"minilm": 1}
SLOW_SAMPLES = 16  # of numpy, whose time grows with them
FAR = 24.0
"""Steps of the output, in the mean, that an engine which computes reals may be away; more is another network."""


@dataclass(frozen=True, kw_only=True)
class Own:
    """A model that ONNX Runtime's tool made.

    Args:
        name: of the variant.
        model: content of the file.
    """

    name: str
    model: bytes


def own_variants(subject: Subject, missing: list[str]) -> list[Own]:
    """What ONNX Runtime's tool makes of the float model, and a line in `missing` for what it refuses."""
    from codegen.runners.ort_quantized import VARIANTS, quantized_by_ort

    made = []
    for variant in VARIANTS if subject.qdq else ():
        try:
            made.append(Own(name=variant.name, model=quantized_by_ort(subject.qdq, subject.calibration, variant)))
        except Exception as e:  # whatever another's tool raises
            missing.append(f"{subject.name}: {OWN}{variant.name} left out: {line(e)}")
    return made


def ours(subject: Subject, inputs: Arrays, threads: int) -> list[Batched]:
    """`simulate`, from what a user has, and from codes where that is something else."""
    codes = input_codes(subject.graph, inputs)
    found = [_simulated(OURS, subject, inputs, threads=threads)]
    if any(x.dtype.kind == "f" for x in inputs.values()):
        found.append(_simulated(CODES, subject, codes, threads=threads))
    return found


def slow(subject: Subject, inputs: Arrays) -> list[Batched]:
    """Engines of one thread: the definition on fewer samples, TFLM where there is a ``.tflite``."""
    from codegen.runners.batched import batched_tflm

    many = min(len(next(iter(inputs.values()))), NUMPY_SAMPLES.get(subject.name, SLOW_SAMPLES))
    found = [_simulated(NUMPY, subject, {n: x[:many] for n, x in inputs.items()}, engine="numpy")]
    if subject.file and find_spec("tflite_micro"):
        found.append(batched_tflm(subject.file, inputs))
    return found


def exact(subject: Subject, inputs: Arrays, threads: int) -> Batched:
    """What ``hwsim emit onnx`` writes, from codes."""
    from codegen import emit_onnx
    from codegen.runners.batched import batched_ort

    codes = input_codes(subject.graph, inputs)
    return batched_ort(emit_onnx(subject.graph).SerializeToString(), codes, EXACT, threads)


def own(subject: Subject, made: Sequence[Own], inputs: Arrays, threads: int, missing: list[str]) -> list[Batched]:
    """A session each, and a line in `missing` for a model that ONNX Runtime cannot run though its own tool made it."""
    from codegen.runners.batched import batched_ort

    found = []
    for variant in made:
        try:
            ready = batched_ort(variant.model, inputs, f"{OWN}{variant.name}", threads)
            ready.run()
            found.append(ready)
        except Exception as e:  # whatever another's engine raises
            missing.append(f"{subject.name}: {OWN}{variant.name} left out: {line(e)}")
    return found


def outsiders(subject: Subject, inputs: Arrays, missing: list[str]) -> list[Batched]:
    """The executor of qonnx on both forms, and a line in `missing` where it refuses."""
    if not subject.qdq:
        return []
    if find_spec("qonnx") is None:
        missing.append("qonnx left out: the package qonnx is not installed: pip install qonnx")
        return []
    from codegen.runners.qonnx import batched_qonnx

    found = []
    for quant in (False, True):
        try:
            engine = batched_qonnx(subject.qdq, inputs, quant=quant)
            engine.run()
            found.append(engine)
        except Exception as e:  # whatever another's executor raises
            missing.append(f"{subject.name}: {QONNX}{'Quant' if quant else 'QDQ'} form left out: {line(e)}")
    return found


def check(subject: Subject, threads: Sequence[int]) -> None:
    """RuntimeError unless numba, on every number of threads, and the exact form have the definition's codes."""
    few = subject.first(CHECKED)
    want = simulate(subject.graph, few, engine="numpy")
    engines = [e for t in threads for e in ours(subject, few, t)]
    whole = [_simulated(f"{OURS}, the batch", subject, subject.inputs, threads=t) for t in threads]
    for engine in [*engines, exact(subject, few, 1), *whole]:
        got = engine.run()
        for v in subject.graph.outputs:
            if not np.array_equal(want[v.name], np.asarray(got[v.name])[: len(want[v.name])]):
                raise RuntimeError(
                    f"bench simulate: {subject.name}: codes of {v.name} in {engine.name} are not numpy's"
                )


def distance(subject: Subject, engine: Batched, want: dict[str, Codes]) -> float:
    """Steps between an engine's outputs and ours, in the mean; of reals those they would be encoded as."""
    away = []
    for v, (name, y) in zip(subject.graph.outputs, engine.run().items(), strict=False):
        expected = want[name] if name in want else want[v.name]
        codes = encode(np.asarray(y, np.float64), v.type.reshaped(y.shape)) if y.dtype.kind == "f" else y
        few = v.type.fmt.to_int(codes).astype(np.int64)
        away.append(np.abs(few - v.type.fmt.to_int(expected)[: len(few)].reshape(few.shape)).ravel())
    return float(np.concatenate(away).mean())


def _simulated(name: str, subject: Subject, inputs: Arrays, *, engine: str = "numba", threads: int = 1) -> Batched:
    from codegen.runners.batched import Batched

    def run() -> dict[str, Any]:
        return dict(simulate(subject.graph, inputs, engine=engine, threads=threads))

    return Batched(name=name, samples=len(next(iter(inputs.values()))), run=run)


def line(e: Exception) -> str:
    """The first line of what another's tool says."""
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:200]
