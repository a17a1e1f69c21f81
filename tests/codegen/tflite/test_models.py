"""Outside models, every tensor beside LiteRT's reference kernels and TFLM."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen.runners.litert import run_litert
from codegen.runners.tflm import run_tflm
from codegen.tflite.schema import subgraphs
from codegen.tflite_reader import CONVERTERS, read_tflite
from hwsim.store import dumps, loads
from hwsim.streaming import stream
from tests.compare import assert_same

TINY = Path(__file__).resolve().parents[3].parent / "shared/data/mlperf_tiny"
WAKE = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")
ENGINES = {"tfl_single": run_litert, "tflm_double": run_tflm}
SAMPLES = 1000


def content(name: str) -> bytes:
    """The file of a model, or a skip that says where it should be."""
    spec = find_spec("pymicro_wakeword")
    folder = Path(spec.origin).parent / "models" if name in WAKE and spec and spec.origin else TINY
    path = folder / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{name}.tflite is missing: pymicro_wakeword or ../shared/data/mlperf_tiny")
    return path.read_bytes()


def signals(shape: tuple[int, ...], samples: int) -> Any:
    """Seeded codes: noise of many amplitudes around many levels, and both ends."""
    rng = np.random.default_rng(7)
    wide = (samples, *(1 for _ in shape))
    x = rng.normal(rng.integers(-128, 128, wide), rng.choice([2, 20, 80, 400], wide), (samples, *shape))
    return np.clip(np.rint(x), -128, 127).astype(np.int8)


def compare(name: str, contract: str, samples: int) -> int:
    """Codes compared, of every tensor; all differences fail."""
    data = content(name)
    main = subgraphs(data)[0]
    if missing := {o.kind for o in main.operators} - set(CONVERTERS):
        pytest.skip(f"{name}: no converter yet of {', '.join(sorted(missing))}")
    graph = loads(dumps(read_tflite(data, contract)))
    (i,) = main.inputs
    x = signals(main.tensors[i].shape, samples)
    want = ENGINES[contract](data, [x])
    if graph.states:
        got = {n: c[:, 0] for n, c in stream(graph, {main.tensors[i].name: x}, trace=True).items()}
    else:
        got = {
            n: c[0]
            for n, c in stream(graph, {main.tensors[i].name: x.reshape(1, -1, *x.shape[2:])}, trace=True).items()
        }
    count = 0
    for tensor in (n for n in want if n in got):
        assert_same(want[tensor].reshape(got[tensor].shape), got[tensor], what=f"{name} {contract} {tensor}")
        count += got[tensor].size
    return count


@pytest.mark.parametrize("contract", ENGINES)
@pytest.mark.parametrize("name", [*WAKE, "ad01_int8", "kws_ref_model"])
def test_every_tensor(name: str, contract: str) -> None:
    """Bit-exact over `SAMPLES` inputs or steps."""
    assert compare(name, contract, SAMPLES) > 0
