"""Models that onnxruntime.quantization made, node by node beside ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from codegen.onnx_reader import read_onnx
from codegen.unsupported import Unsupported
from hwsim.graph import Graph
from tests.backends import check_engines
from tests.codegen.onnx_integer.models import cnn, differences, mlp, quantized, transformer

MODELS = {"cnn": (cnn, (3, 12, 12)), "mlp": (mlp, (20,)), "transformer": (transformer, (6, 16))}
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
NORM = "layernormalization"
"""How values that ONNX Runtime computes in float are called: these alone may differ where everything else is fused."""


def made(name: str, folder: Path, **settings: Any) -> tuple[Graph, bytes, np.ndarray]:
    """The graph, the model, and inputs that saturate. Weights of 7 bits: see `test_layers.operands`."""
    make, shape = MODELS[name]
    x = np.random.default_rng(1).normal(size=(64, *shape)).astype(np.float32)
    model = quantized(make(), folder, x, reduce_range=True, **settings)
    graph = read_onnx(model)
    assert isinstance(graph, Graph)
    return graph, model, 1.5 * x


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_qoperator_at_every_level(name: str, kind: str, per_channel: bool, tmp_path: Path) -> None:
    graph, model, x = made(name, tmp_path, format="QOperator", activation_type=kind, per_channel=per_channel)
    for level in LEVELS:
        found = differences(graph, model, x, level)
        assert not any(differ for _, differ, _ in found.values()), found
    check_engines(graph, {"x": x[:5]})


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_qdq_of_unsigned_activations(name: str, per_channel: bool, tmp_path: Path) -> None:
    """All operators but norms have kernels for codes then; norms are counted."""
    graph, model, x = made(name, tmp_path, per_channel=per_channel)
    found = differences(graph, model, x)
    assert not {k: v for k, v in found.items() if v[1] and not k.startswith(NORM)}, found
    for codes, differ, largest in (v for k, v in found.items() if k.startswith(NORM)):
        assert (largest <= 1, differ <= 0.02 * codes) == (True, True)
    check_engines(graph, {"x": x[:5]})


@pytest.mark.parametrize("name", MODELS)
def test_qdq_of_signed_activations_is_counted(name: str, tmp_path: Path) -> None:
    """Convolutions run in float on x86 then: a code in thousands lies on the other side of a tie."""
    graph, model, x = made(name, tmp_path, activation_type="QInt8")
    found = {k: v for k, v in differences(graph, model, x).items() if not k.startswith(NORM)}
    assert max(largest for _, _, largest in found.values()) <= 1
    assert sum(differ for _, differ, _ in found.values()) <= 1e-3 * sum(codes for codes, _, _ in found.values())


def test_everything_that_cannot_be_read_is_listed(tmp_path: Path) -> None:
    _, model, _ = made("mlp", tmp_path)
    proto = onnx.load_from_string(model)
    strange = [n for n in proto.graph.node if n.op_type in ("Gemm", "LeakyRelu")]
    for n, other in zip(strange, ("NoSuchOp", "NorThis", "NorThat"), strict=True):
        n.op_type, n.domain = other, "com.example"
    proto.opset_import.append(onnx.helper.make_opsetid("com.example", 1))
    with pytest.raises(Unsupported) as e:
        read_onnx(proto)
    assert "\n" not in str(e.value)
    assert len(e.value.problems) == 3
    assert all(name in str(e.value) for name in ("NoSuchOp", "NorThis", "NorThat"))
