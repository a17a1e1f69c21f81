"""torch.onnx's files of the shipped networks become the integers that torch.export's front graphs become."""

from __future__ import annotations

import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

from algos.examples import IMAGES, WATCH  # noqa: E402
from algos.export import export  # noqa: E402
from algos.models import ds_cnn, mlp, resnet8, vit_tiny  # noqa: E402
from codegen.onnx_reader import read_onnx  # noqa: E402
from codegen.unsupported import Unsupported  # noqa: E402
from hwsim import Recipe, simulate  # noqa: E402
from hwsim.front import FrontGraph  # noqa: E402
from hwsim.quantization import quantize_model  # noqa: E402
from tests.compare import assert_same  # noqa: E402

EXAMPLES = {
    "mlp": (mlp, IMAGES, "images", 255),
    "resnet8": (resnet8, IMAGES, "images", 255),
    "ds-cnn": (ds_cnn, WATCH, "windows", 128),
}


def exported(model: torch.nn.Module, example: torch.Tensor) -> bytes:
    """The file of ``torch.onnx.export`` with an open batch."""
    batch = torch.export.Dim("batch", min=2, max=1 << 16)
    program = torch.onnx.export(
        model, (example,), dynamo=True, dynamic_shapes=({0: batch},), input_names=["x"], verbose=False
    )
    file = io.BytesIO()
    program.save(file)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_same_codes(name: str) -> None:
    torch.set_num_threads(1)
    module, path, key, divisor = EXAMPLES[name]
    with np.load(path) as z:
        seen, test = (z[k][:24].astype(np.float32) / divisor for k in ("calibration", key))
    model = module.make_model()
    read = read_onnx(exported(model, torch.from_numpy(seen[:2])))
    ours = export(model, torch.from_numpy(seen[:2]))
    assert isinstance(read, FrontGraph)
    results = []
    for front in (read, ours):
        (source,) = front.inputs
        graph = quantize_model(front, [{source: seen}], Recipe()).graph
        (codes,) = simulate(graph, {source: test}).values()
        results.append((graph.outputs[0].type, codes))
    (first, got), (second, wanted) = results
    assert (first.fmt, first.zero_point) == (second.fmt, second.zero_point)
    assert first.scale == pytest.approx(second.scale, rel=1e-5)  # floats
    assert_same(got, wanted)


@pytest.mark.filterwarnings("ignore")
def test_attention_that_torch_computes_with_the_batch_second_is_refused() -> None:
    """nn.MultiheadAttention turns (batch, tokens) to (tokens, batch) in the file; `hwsim.front` has the batch first."""
    with pytest.raises(Unsupported, match="has not the batch as its first axis"):
        read_onnx(exported(vit_tiny.make_model(), torch.zeros(2, 28, 28)))
