"""The torch module of a table: the hardware's numbers forward, the function's gradient backward."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: tables as torch modules (pip install 'hwsim[algos]')")

from algos import gqa_lut  # noqa: E402
from algos.gqa_lut import FUNCTIONS, TableModule, fit  # noqa: E402
from algos.gqa_lut.module import TORCH  # noqa: E402
from hwsim import INT8, INT16, QType  # noqa: E402
from tests.compare import all_codes, assert_refused, assert_same  # noqa: E402

OUT = QType((), INT8, 2.0**-5, 3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_torch_has_the_same_functions(name):
    x = np.linspace(*FUNCTIONS[name].span, 101)
    np.testing.assert_allclose(TORCH[name](torch.from_numpy(x)).numpy(), FUNCTIONS[name].fn(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("out", [None, OUT], ids=["exact", "rounded"])
def test_every_int8_code_at_every_step(out):
    got, q = fit("gelu", 8), all_codes(INT8)
    for n in got.task.scales:
        table = got.table(n, out)
        module = TableModule(got, n, out=out)
        y = module(torch.from_numpy(np.ldexp(q.astype(np.float32), -n)))
        assert y.dtype == torch.float32
        assert_same(table.run((QType((), INT8, 2.0**-n),), q), y.numpy() / table.scale + table.zero_point, q)


def test_every_int16_code():
    got, q = fit("tanh", 16, fmt=INT16, scales=(12,), bits=14, fraction=12), all_codes(INT16)
    table = got.table(12)
    y = TableModule(got, 12)(torch.from_numpy(np.ldexp(q.astype(np.float64), -12)))
    assert_same(table.run((QType((), INT16, 2.0**-12),), q), y.numpy() / table.scale, q)


def test_reals_are_rounded_half_to_even_and_saturate():
    got = fit("gelu", 8)
    x = torch.tensor([0.03125, 0.09375, -9.0, 99.0])  # half a step, one and a half, both ends
    y = TableModule(got, 4)(x)
    assert y.tolist() == TableModule(got, 4)(torch.tensor([0.0, 0.125, -8.0, 7.9375])).tolist()


@pytest.mark.parametrize("name", ["gelu", "exp", "tanh", "reciprocal"])
def test_the_gradient_is_the_functions_own(name):
    n = FUNCTIONS[name].scales[-1]
    x = torch.linspace(-5, 5, 400, dtype=torch.float64, requires_grad=True)
    TableModule(fit(name, 8), n)(x).backward(torch.arange(400.0, dtype=torch.float64))
    xq = torch.round(x.detach() * 2**n).clamp(-128, 127) / 2**n
    xq.requires_grad_()
    TORCH[name](xq).backward(torch.arange(400.0, dtype=torch.float64))
    inside = (x.detach() * 2**n >= -128) & (x.detach() * 2**n <= 127)
    want = torch.where(inside & torch.isfinite(xq.grad), xq.grad, torch.zeros(()).double())
    assert 0 < int(inside.sum()) < 400
    np.testing.assert_allclose(x.grad.numpy(), want.numpy(), rtol=1e-14)


def test_the_steps_gradient_is_lsqs():
    module = TableModule(fit("gelu", 8), 5, learned=True).double()
    x = torch.tensor([[0.3, -0.7, 1.11, 9.0]], dtype=torch.float64)
    module(x).sum().backward()
    s, u = 2.0**-5, x[0].numpy() * 32
    code = np.clip(np.rint(u), -128, 127)
    at = torch.tensor(code * s, requires_grad=True)
    torch.nn.functional.gelu(at).sum().backward()
    by_step = at.grad.numpy() * (code - np.where(np.abs(u) < 127, u, 0))
    want = by_step.sum() / np.sqrt(4 * 127) * s * np.log(2)
    assert module.log2_step.grad.item() == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("start", [0, 6])
def test_the_step_learns(start):
    """Inputs within 3.9: 2**-5 is the finest step that holds them."""
    got = fit("gelu", 16)
    x = torch.from_numpy(np.random.default_rng(0).uniform(-3.9, 3.9, (64, 32)).astype(np.float32))
    module = TableModule(got, start, learned=True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1, betas=(0.9, 0.9))
    losses = []
    for _ in range(200):
        loss = torch.nn.functional.mse_loss(module(x), torch.nn.functional.gelu(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert module.exponent == 5
    assert losses[-1] < 0.1 * losses[0]


def test_the_step_stays_among_the_tables():
    module = TableModule(fit("gelu", 8, scales=(2, 5)), 2, learned=True)
    with torch.no_grad():
        for log2, n in ((3.0, 2), (-2.4, 2), (-3.4, 2), (-3.6, 5), (-40.0, 5)):
            module.log2_step.fill_(log2)
            assert module.exponent == n
    assert "int8 at 2**-5" in repr(module)


def test_it_copies_saves_and_loads():
    module = TableModule(fit("gelu", 8), 5, learned=True)
    twin = copy.deepcopy(module)
    twin.load_state_dict({"log2_step": torch.tensor(-3.0)})
    assert (module.exponent, twin.exponent) == (5, 3)
    assert [name for name, _ in TableModule(fit("gelu", 8), 5).named_parameters()] == []


def test_a_function_of_the_users():
    own = fit(np.cbrt, 8, span=(1, 2), scales=(6,))
    assert_refused(lambda: TableModule(own, 6), "cbrt", "fn")
    assert_refused(lambda: TableModule(fit("gelu", 8), 7), "2**-7", "0, 1, 2")
    x = torch.tensor([1.5], requires_grad=True)
    TableModule(own.made, 6, fn=lambda v: v ** (1 / 3))(x).backward()
    assert x.grad.item() == pytest.approx(1.5 ** (-2 / 3) / 3, rel=1e-5)
    with pytest.raises(AttributeError, match="TableModul'"):
        _ = gqa_lut.TableModul
