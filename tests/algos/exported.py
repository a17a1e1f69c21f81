"""A torch model against its front graph, by both evaluations."""

import numpy as np

from algos.export import export
from algos.frameworks import nn, torch
from algos.torch_front import FloatModule
from hwsim.front import FrontGraph


class Fn(nn.Module):
    """A model of one function of itself and x, with what it needs at hand: tensors become buffers."""

    def __init__(self, fn, **parts) -> None:
        super().__init__()
        self.fn = fn
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x):
        return self.fn(self, x)


def seeded(model):
    """Parameters with numbers that are none of a new layer's."""
    torch.manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, p.shape[-1] ** -0.5 if p.ndim > 1 else 0.5)
    return model.eval()


def outputs(model, x):
    """Results of a model in eval mode, as a tuple."""
    with torch.no_grad():
        y = model(x)
    return y if isinstance(y, tuple) else (y,)


def check_equal(model, *shape) -> FrontGraph:
    """Export, then compare each output on batches of 1 and 5: torch, the definition, its twin; the front graph."""
    front = export(seeded(model), torch.zeros(2, *shape))
    (name,) = front.inputs
    twin = FloatModule(front)
    for samples in (1, 5):
        x = torch.randn(samples, *shape)
        want = outputs(model, x)
        values = front.evaluate({name: x.numpy()})
        given = x.clone().requires_grad_()
        got = twin(given)
        got = got if isinstance(got, tuple) else (got,)
        for out, y, z in zip(front.outputs, want, got, strict=True):
            assert values[out].shape == tuple(y.shape)
            np.testing.assert_allclose(values[out], y.numpy(), rtol=2e-5, atol=2e-6)
            np.testing.assert_allclose(z.detach().numpy(), values[out], rtol=2e-5, atol=2e-6)
        sum(z.square().sum() for z in got).backward()
        assert given.grad.isfinite().all()
        assert given.grad.any()
    return front


def ops(front: FrontGraph) -> list[str]:
    """Operations in order, but for movement."""
    return [n.op for n in front.nodes if n.op not in ("reshape", "transpose", "slice")]
