"""A damaged file is refused in one line, or read and run; never another exception, a hang, or memory without end."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.onnx_integer.models import cnn, quantized
from tests.oracles.layers import tying_layer
from tests.oracles.tflite import fully_connected

ROOT = Path(__file__).parents[2]
COUNT = 250  # of each of four files


def small_tflite(folder: Path) -> Path:
    path = folder / "small.tflite"
    path.write_bytes(fully_connected(tying_layer(), 1))
    return path


def wake_word(folder: Path) -> Path:
    spec = find_spec("pymicro_wakeword")
    if spec is None or spec.origin is None:
        pytest.skip("pymicro-wakeword is not installed; make test installs it")
    return Path(spec.origin).parent / "models/alexa.tflite"


def float_onnx(folder: Path) -> Path:
    path = folder / "float.onnx"
    path.write_bytes(cnn().SerializeToString())
    return path


def integer_onnx(folder: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(16, 3, 12, 12)).astype(np.float32)
    quantized(cnn(), folder, x)
    return folder / "q.onnx"


@pytest.mark.parametrize("make", [small_tflite, wake_word, float_onnx, integer_onnx], ids=lambda f: f.__name__)
def test_damaged_files(make, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.codegen.mutants", str(make(tmp_path)), str(COUNT), "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["failures"], f"{len(found['failures'])} of {COUNT}; the first: {found['failures'][0]}"
    assert sum(found["ends"].values()) == COUNT
    assert found["ends"]["refused"] > COUNT / 10
