"""What `read_tflite` refuses: bad files in one line, everything unsupported at once; nothing crashes or hangs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from codegen import read_tflite
from codegen.unsupported import Unsupported
from hwsim.simulation import simulate
from tests.oracles.tflite_ops import Tensor, one_op

SHAPE = (1, 4)


def pad(**changes: Any) -> bytes:
    """PAD of one row: input, paddings, result."""
    x, y = Tensor(name="x", shape=SHAPE, scale=0.5), Tensor(name="y", shape=(1, 6), scale=0.5)
    widths = Tensor(name="w", codes=np.array([[0, 0], [1, 1]], np.int32), dtype="int32")
    return one_op("PAD", [x, widths], [y], {}, options_type="PadOptions", **changes)


def edited(data: bytes, edit: Any) -> bytes:
    """The file after a change of its object tree."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    edit(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def chain(*kinds: str) -> bytes:
    """Operators without options, one after another."""
    data = one_op("RELU", [Tensor(name="x", shape=SHAPE, scale=0.5)], [Tensor(name="t1", shape=SHAPE, scale=0.5)])

    def more(model: Any, graph: Any) -> None:
        model.operatorCodes, graph.operators = [], []
        graph.tensors = [graph.tensors[0], *(_named(graph.tensors[1], i + 1) for i in range(len(kinds)))]
        for i, kind in enumerate(kinds):
            code, op = schema.OperatorCodeT(), schema.OperatorT()
            code.builtinCode = getattr(schema.BuiltinOperator, kind)
            code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
            op.opcodeIndex, op.inputs, op.outputs = i, [i], [i + 1]
            model.operatorCodes.append(code)
            graph.operators.append(op)
        graph.outputs = [len(kinds)]

    return edited(data, more)


def _named(t: Any, i: int) -> Any:
    made = schema.TensorT()
    made.__dict__.update({**t.__dict__, "name": f"t{i}".encode()})
    return made


def test_no_file_and_no_such_contract(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        read_tflite(tmp_path / "missing.tflite")
    with pytest.raises(ValueError, match="'tfl' is unknown: use one of tfl_single, tflm_double"):
        read_tflite(pad(), "tfl")
    (tmp_path / "pad.tflite").write_bytes(pad())
    assert read_tflite(str(tmp_path / "pad.tflite")).name == "pad"
    (tmp_path / "bad.tflite").write_bytes(b"no model at all")
    with pytest.raises(ValueError, match=r"bad\.tflite: 15 bytes without the mark TFL3 are no \.tflite"):
        read_tflite(tmp_path / "bad.tflite")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 100, b"GGUF" * 10], ids=["empty", "mark", "zeros", "other"])
def test_other_files(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"the \.tflite: \d+ bytes without the mark TFL3"):
        read_tflite(data)


def test_cut_and_mutated_files_say_so_or_still_read() -> None:
    """Any exception but a ValueError of one line fails."""
    data, rng, refused = pad(), np.random.default_rng(0), []
    cuts = [data[:n] for n in range(8, len(data), 7)]
    for _ in range(1500):
        raw = bytearray(data)
        for at in rng.integers(8, len(raw), rng.integers(1, 4)):
            raw[at] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        cuts.append(bytes(raw))
    for raw in cuts:
        try:
            read_tflite(raw)
        except ValueError as e:
            refused.append(str(e))
    assert len(refused) > 500
    assert not [m for m in refused if "\n" in m or len(m) > 2000]


def _absent(field: str, value: Any) -> Any:
    def edit(model: Any, graph: Any) -> None:
        setattr(graph.operators[0], field, value)

    return edit


def _tensor(i: int, field: str, value: Any) -> Any:
    def edit(model: Any, graph: Any) -> None:
        setattr(graph.tensors[i], field, value)

    return edit


BAD = {
    "no such tensor": (_absent("inputs", [0, 9]), "operator 0 PAD: tensor 9 of 3 does not exist"),
    "no inputs": (_absent("inputs", []), "operator 0 PAD: lacks inputs, results or options"),
    "no results": (_absent("outputs", []), "operator 0 PAD: lacks inputs, results or options"),
    "no such code": (_absent("opcodeIndex", 5), "operator 0: code 5 does not exist"),
    "no such buffer": (_tensor(1, "buffer", 40), "tensor 'w': buffer 40 does not exist"),
    "shape": (_tensor(1, "shape", [3, 2]), r"tensor 'w': 16 bytes for shape \(3, 2\) of INT32"),
    "huge": (_tensor(0, "shape", [1, 1 << 30]), "is over 6 axes or"),
    "dynamic": (_tensor(0, "shapeSignature", [-1, -1]), r"has shape \(-1, -1\) \(fix all axes but the batch\)"),
    "other result": (_tensor(2, "shape", [1, 7]), r"do not give \('N', 7\)"),
    "written by none": (lambda m, g: setattr(g, "outputs", [0, 1, 2, 2]) or setattr(g, "operators", []), "outputs: "),
    "constant wanted": (_tensor(1, "buffer", 0), "tensor 'w' must be a constant"),
    "no subgraph": (lambda m, g: setattr(m, "subgraphs", []), "no subgraph"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_models_name_the_culprit(case: str) -> None:
    edit, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        read_tflite(edited(pad(), edit))


def test_a_free_batch_is_the_batch() -> None:
    data = edited(pad(), _tensor(0, "shapeSignature", [-1, 4]))
    x = np.arange(8, dtype=np.int8).reshape(2, 4)
    assert simulate(read_tflite(data), {"x": x})["y"].tolist() == [[0, 0, 1, 2, 3, 0], [0, 4, 5, 6, 7, 0]]


def test_unknown_operators_are_named_all_at_once() -> None:
    with pytest.raises(
        Unsupported, match=r"2 parts not supported: operator 0 FLOOR: .*operator 2 CEIL: is not taken"
    ) as e:
        read_tflite(chain("FLOOR", "RELU", "CEIL"))
    assert len(e.value.problems) == 2


def test_real_numbers_are_named_all_at_once() -> None:
    real = schema.TensorType.FLOAT32

    def edit(model: Any, graph: Any) -> None:
        for t in graph.tensors:
            t.type, t.quantization = real, None

    with pytest.raises(Unsupported) as e:
        read_tflite(edited(chain("RELU", "TANH", "LOGISTIC"), edit))
    assert [re.sub(":.*", "", p) for p in e.value.problems] == [
        *("operator 0 RELU", "operator 1 TANH", "operator 2 LOGISTIC"),
    ]
    assert "computes with 'x' FLOAT32, 't1' FLOAT32 (quantize the whole model to integers)" in e.value.problems[0]


def test_float_weights_of_a_quantized_layer() -> None:
    x, y = (Tensor(name=n, shape=SHAPE, scale=0.5) for n in "xy")
    w = Tensor(name="w", codes=np.ones((4, 4), np.float32), dtype="float32")
    data = one_op("FULLY_CONNECTED", [x, w], [y], {}, options_type="FullyConnectedOptions")
    with pytest.raises(Unsupported, match="operator 0 FULLY_CONNECTED: computes with 'w' FLOAT32"):
        read_tflite(data)


def test_refusals_are_collected_and_those_that_follow_from_them_are_not() -> None:
    """Both first operators read x and lack options; the third only reads what the first could not make."""

    def edit(model: Any, graph: Any) -> None:
        graph.operators[1].inputs = [0]
        graph.operators[2].inputs = [1]

    with pytest.raises(Unsupported) as e:
        read_tflite(edited(chain("UNPACK", "SQUEEZE", "RELU", "MAX_POOL_2D"), edit))
    assert [re.sub(":.*", "", p) for p in e.value.problems] == ["operator 0 UNPACK"]
    with pytest.raises(Unsupported) as e:
        read_tflite(edited(chain("UNPACK", "MAX_POOL_2D", "RELU"), edit))
    assert [re.sub(":.*", "", p) for p in e.value.problems] == ["operator 0 UNPACK", "operator 1 MAX_POOL_2D"]


def test_names_are_made_unique() -> None:
    data = edited(pad(), _tensor(2, "name", b"x"))
    g = read_tflite(data)
    assert ([v.name for v in g.inputs], [v.name for v in g.outputs]) == (["x"], ["x.2"])
