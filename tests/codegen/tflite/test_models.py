"""Outside models, every tensor beside LiteRT's reference kernels and TFLM."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen import read_tflite
from codegen.runners.c import run_c
from codegen.runners.litert import run_litert
from codegen.runners.tflm import run_tflm
from codegen.tflite.schema import subgraphs
from hwsim.formats import Codes
from hwsim.graph import Graph
from hwsim.simulation import simulate
from hwsim.store import dumps, loads
from hwsim.streaming import stream
from tests.backends import check_engines
from tests.compare import assert_same

TINY = Path(__file__).resolve().parents[3].parent / "shared/data/mlperf_tiny"
WAKE = {"alexa": 32, "hey_jarvis": 32, "hey_mycroft": 32, "okay_nabu": 51}
MODELS = {**WAKE, "ad01_int8": 10, "kws_ref_model": 13}
"""Tensors that the operators of a model write, handles aside."""
ENGINES = {"tfl_single": run_litert, "tflm_double": run_tflm}
SAMPLES = 1000


def content(name: str) -> bytes:
    """The file of a model, or a skip that says where it should be."""
    spec = find_spec("pymicro_wakeword")
    folder = Path(spec.origin).parent / "models" if name in WAKE and spec and spec.origin else TINY
    path = folder / f"{name}.tflite"
    if not path.exists():
        pytest.skip(
            f"{name}.tflite is missing: run make test for pymicro_wakeword, or put ../shared/data/mlperf_tiny there"
        )
    return path.read_bytes()


def signals(shape: tuple[int, ...], samples: int) -> Any:
    """Seeded codes: noise of many amplitudes around many levels, and both ends."""
    rng = np.random.default_rng(7)
    wide = (samples, *(1 for _ in shape))
    x = rng.normal(rng.integers(-128, 128, wide), rng.choice([2, 20, 80, 400], wide), (samples, *shape))
    return np.clip(np.rint(x), -128, 127).astype(np.int8)


def recorded(graph: Graph, want: dict[str, Codes], signal: Codes) -> dict[str, Codes]:
    """Inputs of all steps as one batch, states as the engine had them: each step's are what the last one left."""
    (given,) = [v.name for v in graph.inputs if v.name not in graph.states]
    feeds = {given: signal.reshape(len(signal), *signal.shape[2:])}
    for name, state in graph.states.items():
        feeds[name] = want[name].reshape(-1, *state.initial.shape)
        left = want[state.output].reshape(feeds[name].shape)
        assert_same(np.concatenate([state.initial[None], left[:-1]]), feeds[name], what=name)
    return feeds


@pytest.mark.parametrize("contract", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_every_tensor(name: str, contract: str) -> None:
    """Bit-exact over `SAMPLES` inputs or steps: all tensors that the engine writes, then the compiled C's results."""
    data = content(name)
    main = subgraphs(data)[0]
    graph = loads(dumps(read_tflite(data, contract)))
    signal = signals(main.tensors[main.inputs[0]].shape, SAMPLES)
    want = ENGINES[contract](data, [signal])
    assert len(want) == MODELS[name]
    feeds = recorded(graph, want, signal)
    got = {**feeds, **simulate(graph, feeds, trace=True)}
    for tensor, codes in want.items():
        assert_same(codes.reshape(got[tensor].shape), got[tensor], what=f"{name} {contract} {tensor}")
    (ran,) = run_c(graph, feeds, trace=False)
    for v in graph.outputs:
        assert_same(got[v.name], ran.values[v.name], what=f"{name} {contract} C {v.name}")
    check_engines(graph, {n: x[:4] for n, x in feeds.items()}, against=("c", "ort", "onnx_reference"))


@pytest.mark.parametrize("name", WAKE)
def test_states_live_on(name: str) -> None:
    """`hwsim.stream` feeds states itself, two sequences side by side, and the engine's are the first."""
    data, steps = content(name), 40
    main = subgraphs(data)[0]
    graph, (i,) = read_tflite(data, "tflm_double"), main.inputs
    signal = signals(main.tensors[i].shape, steps)
    got = stream(graph, {main.tensors[i].name: np.concatenate([signal, signal[::-1]], axis=1)})
    want = run_tflm(data, [signal])
    for v in graph.outputs:
        assert_same(want[v.name].reshape(got[v.name][:, 0].shape), got[v.name][:, 0], what=v.name)
