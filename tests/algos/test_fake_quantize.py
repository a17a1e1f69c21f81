"""The quantizer as one torch operation: the numbers of `hwsim.quantize`, the gradients of LSQ."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: fake quantization (pip install 'hwsim[algos]')")

from algos.fake_quantize import fake_quantize  # noqa: E402
from algos.tracing import trace  # noqa: E402
from hwsim.formats import INT4, INT8  # noqa: E402
from hwsim.qtensor import quantize  # noqa: E402


@pytest.mark.parametrize(("fmt", "zero"), [(INT4, 0), (INT4, -8), (INT8, 5)])
def test_forward_is_quantize_and_dequantize(fmt, zero):
    x = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32) * 3
    y = fake_quantize(torch.from_numpy(x), torch.tensor(0.25), zero, fmt.min_int, fmt.max_int, -1, 1.0)
    np.testing.assert_array_equal(y.numpy(), quantize(x, fmt, scale=0.25, zero_point=zero).dequantize())


def test_forward_per_channel():
    x = np.random.default_rng(0).standard_normal((4, 3, 2)).astype(np.float32)
    scale = [0.5, 0.25, 0.125, 2.0]
    y = fake_quantize(torch.from_numpy(x), torch.tensor(scale), 0, -8, 7, 0, 1.0)
    np.testing.assert_array_equal(y.numpy(), quantize(x, INT4, scale=scale, axis=0).dequantize())


def test_gradients_by_hand():
    """The paper's equation 3, with limits -2 and 1 and a scale of 0.5."""
    x = torch.tensor([0.3, -0.9, 0.7, -3.0], requires_grad=True)  # in steps: 0.6, -1.8, 1.4 (over), -6 (under)
    scale = torch.tensor(0.5, requires_grad=True)
    y = fake_quantize(x, scale, 0, -2, 1, -1, 0.1)
    assert y.tolist() == [0.5, -1.0, 0.5, -1.0]
    y.backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert x.grad.tolist() == [1.0, 2.0, 0.0, 0.0]
    parts = [1 * (1 - 0.6), 2 * (-2 + 1.8), 3 * 1, 4 * -2]
    assert scale.grad.item() == pytest.approx(0.1 * sum(parts), rel=1e-5)


def test_gradients_of_channels_and_zero_points():
    x = torch.tensor([[0.3, 9.0], [-0.4, -9.0]], requires_grad=True)
    scale = torch.tensor([0.5, 1.0], requires_grad=True)
    fake_quantize(x, scale, -8, -8, 7, 0, 1.0).sum().backward()  # codes -8..7 are 0..15 steps
    assert x.grad.tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert scale.grad.tolist() == pytest.approx([(1 - 0.6) + 15, 0], rel=1e-5)


def test_it_stays_one_node_under_export():
    class Net(torch.nn.Module):
        def forward(self, x):
            return fake_quantize(x.relu(), torch.tensor(0.1), 0, -128, 127, -1, 1.0)

    program = trace(Net(), torch.zeros(2, 3))
    assert "hwsim.fake_quantize.default" in [str(n.target) for n in program.graph.nodes]


def test_torchs_own_checks_of_an_operation():
    x, scale = torch.randn(4, 3, requires_grad=True), torch.full((4,), 0.3, requires_grad=True)
    torch.library.opcheck(fake_quantize, (x, scale, 0, -8, 7, 0, 0.5))
