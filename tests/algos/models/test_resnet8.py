"""The shipped ResNet-8: its code, its weights and its front graph are one thing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the torch twin of the shipped ResNet-8 (hwsim[algos])")

from algos.data import scaled  # noqa: E402
from algos.evaluation import evaluate  # noqa: E402
from algos.examples import IMAGES, RESNET8_FRONT  # noqa: E402
from algos.export import export  # noqa: E402
from algos.models.resnet8 import make_model  # noqa: E402
from algos.torch_front import FloatModule  # noqa: E402
from hwsim.front import dumps_front, load_front  # noqa: E402


def test_exporting_the_shipped_weights_gives_the_shipped_front_graph():
    shipped, made = load_front(RESNET8_FRONT), export(make_model(), torch.zeros(1, 28, 28))
    assert made.nodes == shipped.nodes, "the model moved: algos.training.train('resnet8', out=...) writes it anew"
    assert dumps_front(made) == dumps_front(shipped)


def test_size_and_shapes():
    model = make_model()
    assert sum(p.numel() for p in model.parameters()) == 77_658
    x = torch.rand(2, 28, 28)
    assert torch.equal(model(x), model(x[:, None]))
    with np.load(IMAGES) as z:
        values = load_front(RESNET8_FRONT).evaluate({"x": scaled(z["images"][:4])})
        want = model(torch.from_numpy(scaled(z["images"][:4]))).detach().numpy()
    assert values["stage3.relu2"].shape == (4, 64, 7, 7)
    np.testing.assert_allclose(values["fc"], want, rtol=1e-4, atol=1e-4)


def test_accuracy_on_the_shipped_images():
    with np.load(IMAGES) as z:
        result = evaluate(
            make_model(), scaled(z["images"]), z["labels"], reference=FloatModule(load_front(RESNET8_FRONT))
        )
    assert result["same"] == 1
    assert result["accuracy"] > 0.92


def test_float_accuracy_on_all_test_images(fashion):
    images, labels = fashion["test"]
    assert evaluate(make_model(), scaled(images), labels)["accuracy"] == pytest.approx(0.9329, abs=3e-4)
