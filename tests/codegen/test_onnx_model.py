"""Outside ONNX files: limits, folding, the batch, and clear errors for whatever is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from codegen.onnx_float import front_graph
from codegen.onnx_model import load_model

from .onnx_float.outside import model


def small() -> onnx.ModelProto:
    return model("m = MatMul(x, w)\na = Add(m, b)\ny = Relu(a)", {"x": (3, 8)}, {"w": (8, 5), "b": (5,)})


def test_an_open_batch_is_a_prime_of_no_other_size() -> None:
    made = load_model(small())
    assert (made.is_open, made.batch, made.sample_shape("y")) == (True, 11, (3, 5))
    taken = load_model(model("y = MatMul(x, w)", {"x": (3, 8)}, {"w": (8, 22)}))
    assert taken.batch == 13
    by_chance = load_model(model("y = Conv(x, w)", {"x": (1, 13)}, {"w": (2, 1, 3)}))  # 11 positions
    assert (by_chance.batch, by_chance.sample_shape("y")) == (17, (2, 11))


def test_a_fixed_batch_stays() -> None:
    made = load_model(model("y = Relu(x)", {"x": (3, 8)}, batch="1"))
    assert (made.is_open, made.batch, made.sample_shape("y")) == (False, 1, (3, 8))


def test_open_sizes_are_given_by_argument() -> None:
    made = model("y = Relu(x)", {"x": ("L", 8)})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"axis 1 is open \(L\)"):
        load_model(made)
    assert load_model(made, {"x": (4, 8)}).sample_shape("y") == (4, 8)
    with pytest.raises(ValueError, match="axis 2 is 8, not 9"):
        load_model(made, {"x": (4, 9)})


@pytest.mark.parametrize("opset", [12, 26])
def test_other_opsets_are_refused(opset: int) -> None:
    made = small()
    made.opset_import[0].version = opset
    with pytest.raises(ValueError, match=rf"opset {opset}; 13 to 25 are read"):
        load_model(made)


def test_weights_outside_the_folder_are_refused(tmp_path: Path) -> None:
    made = small()
    onnx.save(made, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0, location="w.bin")
    assert set(load_model(tmp_path / "m.onnx").constants) == {"w", "b"}
    with pytest.raises(ValueError, match="give the path of the model"):
        load_model((tmp_path / "m.onnx").read_bytes())
    proto = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for bad in ("../w.bin", "/etc/hostname", "missing.bin"):
        proto.graph.initializer[0].external_data[0].value = bad
        (tmp_path / "bad.onnx").write_bytes(proto.SerializeToString())
        with pytest.raises(ValueError, match=r"own folder|cannot be read"):
            load_model(tmp_path / "bad.onnx")


def test_branches_are_refused() -> None:
    then = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["t"])], "t", [], [onnx.helper.make_tensor_value_info("t", 1, None)]
    )
    made = small()
    made.graph.node.append(onnx.helper.make_node("If", ["k"], ["z"], then_branch=then, else_branch=then))
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array(True), "k"))
    made.graph.output[0].name = "z"
    with pytest.raises(ValueError, match=r"If 'z': branches and loops"):
        load_model(made)


def test_damaged_files_give_an_error_or_load() -> None:
    rng, whole = np.random.default_rng(0), small().SerializeToString()
    loaded = 0
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] ^= 1 << int(rng.integers(8))
        try:
            front_graph(load_model(bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)))
            loaded += 1
        except ValueError as e:
            assert "\n" not in str(e)  # noqa: PT017
    assert loaded < 300
