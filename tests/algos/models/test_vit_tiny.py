"""The shipped Vision Transformer: its code, its weights and its front graph are one thing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the torch twin of the shipped ViT (hwsim[algos])")

import algos  # noqa: E402
from algos.data import scaled  # noqa: E402
from algos.evaluation import evaluate  # noqa: E402
from algos.examples import IMAGES, VIT_FRONT  # noqa: E402
from algos.export import export  # noqa: E402
from algos.models.vit_tiny import make_model  # noqa: E402
from algos.prepare import Prepared  # noqa: E402
from algos.torch_front import FloatModule  # noqa: E402
from hwsim.front import dumps_front, load_front  # noqa: E402


def test_exporting_the_shipped_weights_gives_the_shipped_front_graph():
    shipped, made = load_front(VIT_FRONT), export(make_model(), torch.zeros(1, 28, 28))
    assert made.nodes == shipped.nodes, "the model moved: algos.training.train('vit-tiny', out=...) writes it anew"
    assert dumps_front(made) == dumps_front(shipped)


def test_size_and_shapes():
    model = make_model()
    assert sum(p.numel() for p in model.parameters()) == 139_018
    assert VIT_FRONT.stat().st_size < 600_000
    x = torch.rand(2, 28, 28)
    assert torch.equal(model(x), model(x[:, None]))
    with np.load(IMAGES) as z:
        values = load_front(VIT_FRONT).evaluate({"x": scaled(z["images"][:4])})
        want = model(torch.from_numpy(scaled(z["images"][:4]))).detach().numpy()
    assert values["layers.3.self_attn.softmax"].shape == (4, 4, 17, 17)
    np.testing.assert_allclose(values["head"], want, rtol=1e-4, atol=1e-4)


def test_float_accuracy_on_all_test_images(fashion):
    images, labels = fashion["test"]
    assert evaluate(make_model(), scaled(images), labels)["accuracy"] == pytest.approx(0.8991, abs=3e-4)


def test_int8_accuracy_on_two_thousand_test_images(fashion):
    """The whole test set is measured by ``make evidence``."""
    images, labels = (a[:2000] for a in fashion["test"])
    front = load_front(VIT_FRONT)
    with np.load(IMAGES) as z:
        p = algos.calibrate(Prepared(front=front), scaled(z["calibration"]))
    found = evaluate(algos.lower(p), scaled(images), labels, reference=FloatModule(front))
    assert found["same"] > 0.985
    assert found["accuracy"] > found["reference_accuracy"] - 0.005
