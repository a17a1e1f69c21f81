"""``hwsim build model.onnx --calibrate data.npz``: a float ONNX model of another tool."""

import numpy as np
import onnx

from ...codegen.onnx_float.outside import model

BODY = (
    "v = Conv<pads=[1,1]>(x, w)\nr = Relu(v)\np = GlobalAveragePool(r)\nf = Flatten(p)\nm = MatMul(f, k)\ny = Add(m, b)"
)


def test_a_float_onnx_model_is_built(hwsim, refused, tmp_path):
    made = model(BODY, {"x": (3, 16)}, {"w": (8, 3, 3), "k": (8, 4), "b": (4,)})
    onnx.save(made, tmp_path / "net.onnx")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(16, 3, 16)).astype(np.float32))
    words = ("build", tmp_path / "net.onnx", "--against", "numba", "--quiet", "-o", tmp_path / "b")
    assert "needs --calibrate" in refused(*words)
    status, out, err = hwsim(*words, "--calibrate", tmp_path / "x.npz")
    assert (status, err) == (0, "")
    assert "Every code equal on 1 engine: numba" in out
    onnx.save(model("y = LeakyRelu(x)", {"x": (3, 16)}), tmp_path / "net.onnx")
    assert "LeakyRelu 'y'" in refused(*words, "--calibrate", tmp_path / "x.npz")
