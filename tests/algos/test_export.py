"""nn.Module -> front graph: the same numbers, the user's names and lines, and everything unsupported at once."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: all of torch export (pip install 'hwsim[algos]')")
nn, F = torch.nn, torch.nn.functional

from algos.export import export  # noqa: E402
from hwsim.front import dumps_front  # noqa: E402


def line_of(marker: str) -> str:
    """``test_export.py:12`` of the one line of this file that ends in ``# <marker>``."""
    lines = Path(__file__).read_text().splitlines()
    (at,) = (i for i, text in enumerate(lines, 1) if text.endswith(f"# {marker}"))
    return f"{Path(__file__).name}:{at}"


def check_equal(model, example, batch=7):
    """Export, run both on `batch` new samples, compare every output; the front graph."""
    front = export(model, example)
    rng = np.random.default_rng(1)
    reals = {n: rng.standard_normal((batch, *shape)).astype(np.float32) for n, shape in front.inputs.items()}
    model.eval()
    with torch.no_grad():
        expected = model(**{n: torch.from_numpy(x.copy()) for n, x in reals.items()})
    expected = expected if isinstance(expected, tuple) else (expected,)
    values = front.evaluate(reals)
    assert len(front.outputs) == len(expected)
    for name, want in zip(front.outputs, expected, strict=True):
        assert values[name].shape == tuple(want.shape)
        np.testing.assert_allclose(values[name], want.numpy(), rtol=1e-4, atol=1e-5)
    return front


class Residual(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.act = nn.ReLU(inplace=True)
        self.fc2 = nn.Linear(width, width, bias=False)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        y = self.drop(self.fc2(self.act(self.fc1(x))))  # residual branch
        return F.relu(x + y)  # residual add


class RandomNet(nn.Module):
    """A seeded sequence of everything supported, on samples of 24 numbers in changing shapes."""

    SHAPES = ((24,), (4, 6), (2, 3, 4), (1, 24), (3, 8))

    def __init__(self, seed):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.steps = [str(s) for s in rng.choice(("linear", "relu", "add", "shape", "inplace", "none"), 12)]
        self.shapes = [self.SHAPES[i] for i in rng.integers(0, len(self.SHAPES), 12)]
        self.ways = rng.integers(0, 4, 12).tolist()
        torch.manual_seed(seed)
        self.layers = nn.ModuleDict({f"{n}": nn.Linear(n, n, bias=n % 3 > 0) for n in (24, 6, 4, 8)})
        self.norm = nn.Sequential(nn.Dropout(0.3), nn.Identity(), nn.AlphaDropout(0.2))

    def reshaped(self, x, shape, way):
        if way == 0:
            return x.reshape(-1, *shape)
        if way == 1:
            return x.view(x.shape[0], *shape)
        return x.flatten(1).unflatten(1, shape) if way == 2 else torch.reshape(x, (x.size(0), *shape[:-1], -1))

    def forward(self, x):
        kept = x
        for step, shape, way in zip(self.steps, self.shapes, self.ways, strict=True):
            if step == "linear":
                x = self.layers[str(x.shape[-1])](x)
            elif step == "relu":
                x = (F.relu, torch.relu, torch.Tensor.relu, lambda v: v.clone().relu_())[way](x)
            elif step == "add":
                x = x + self.reshaped(kept, x.shape[1:], 0)
            elif step == "shape":
                x = self.reshaped(x, shape, way)
            elif step == "inplace":
                x = x.clone().add_(x)
            else:
                x = self.norm(x).contiguous().detach().float()
        return x


@pytest.mark.parametrize("seed", range(24))
def test_random_nets_give_torchs_numbers(seed):
    check_equal(RandomNet(seed), torch.zeros(3, 24))


def test_names_are_module_paths_and_places_are_the_users_lines():
    front = check_equal(nn.Sequential(Residual(), Residual()), torch.zeros(2, 8))
    table = [(n.op, n.ins, n.out, n.where) for n in front.nodes[:5]]
    branch, total = line_of("residual branch"), line_of("residual add")
    assert table == [
        ("linear", ("input", "0.fc1.weight", "0.fc1.bias"), "0.fc1", branch),
        ("relu", ("0.fc1",), "0.act", branch),
        ("linear", ("0.act", "0.fc2.weight"), "0.fc2", branch),
        ("add", ("input", "0.fc2"), "0.add", total),
        ("relu", ("0.add",), "0.relu", total),
    ]
    assert front.outputs == ["1.relu"]
    assert front.name == "sequential"
    assert all(p.dtype == np.float32 for p in front.params.values())


def test_plain_torch_layers_have_no_users_line():
    (node,) = export(nn.Linear(4, 3), torch.zeros(2, 4)).nodes
    assert (node.out, node.ins, node.where) == ("linear", ("input", "weight", "bias"), "")


def test_shared_layers_and_parameters():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 5)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(self.a(x)))

    front = check_equal(Tied(), torch.zeros(2, 5))
    assert [n.out for n in front.nodes] == ["a", "a.1", "b"]
    assert [n.ins[1] for n in front.nodes] == ["a.weight"] * 3
    assert list(front.params) == ["a.weight", "a.bias", "b.bias"]


def test_several_inputs_and_outputs_in_forwards_order():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 3)
            self.register_buffer("table", torch.arange(12.0).reshape(3, 4), persistent=False)

        def forward(self, left, right):
            both = left + right
            return self.fc(both), both, right, F.linear(left, self.table, torch.tensor([1.0, 2.0, 3.0]))

    x = torch.zeros(2, 4)
    for example in ((x, x), {"right": x, "left": x}):  # one tensor given twice is still two inputs
        front = check_equal(Two(), example)
        assert list(front.inputs) == ["left", "right"]
        assert front.outputs == ["fc", "add", "right", "linear"]
        assert "table" in front.params


def test_star_arguments():
    class Sum(nn.Module):
        def forward(self, *xs):
            return xs[0] + xs[1]

    assert export(Sum(), (torch.zeros(2, 4), torch.zeros(2, 4))).inputs == {"xs_0": (4,), "xs_1": (4,)}


@pytest.mark.parametrize("example", [torch.zeros(1, 8), torch.zeros(9, 8), np.zeros((1, 8)), [np.zeros((2, 8), "f4")]])
def test_any_number_of_samples_is_an_example(example):
    assert export(Residual(), example).inputs == {"x": (8,)}


def test_the_model_and_the_example_stay_as_they_were():
    model, x = nn.Sequential(nn.ReLU(inplace=True), Residual()), torch.full((2, 8), -1.0)
    model[1].drop.eval()
    before = [m.training for m in model.modules()]
    front = export(model, x)
    assert [m.training for m in model.modules()] == before
    assert (x == -1).all()
    with torch.no_grad():
        model[1].fc1.weight.zero_()  # training goes on; the front graph has its own copy
    assert front.params["1.fc1.weight"].any()


def test_half_precision_weights_become_float32():
    front = export(nn.Linear(4, 3).to(torch.bfloat16), torch.zeros(2, 4, dtype=torch.bfloat16))
    assert {p.dtype for p in front.params.values()} == {np.dtype(np.float32)}


def test_same_model_same_bytes():
    torch.manual_seed(0)
    model = Residual()
    assert dumps_front(export(model, torch.zeros(2, 8))) == dumps_front(export(model, torch.zeros(5, 8)))


class Ten(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.act = nn.ELU()
        self.norm = nn.GroupNorm(2, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x):
        a, b = torch.var_mean(x, 1, keepdim=True)  # line 1
        y = torch.cumsum(x, 1) + b  # line 2
        y = self.norm(self.act(y.relu()))  # lines 3 and 4
        y = F.leaky_relu(y + a)  # line 5
        y = self.fc(y) * self.scale * (2 * self.scale) ** y  # line 6
        y = torch.add(y, x, alpha=2)  # line 7
        y = (self.fc.weight @ y.unsqueeze(2)).squeeze(2)  # line 8
        y = F.dropout(y)  # line 9
        return F.relu(y.flatten(1)).prod(1)  # line 10


def test_everything_unsupported_in_one_message():
    with pytest.raises(ValueError, match=r"aten\.var_mean") as e:
        export(Ten(), torch.zeros(2, 4))
    lines = str(e.value).splitlines()
    starts = [
        f"aten.var_mean.dim in the model at {line_of('line 1')}: not supported. For norms use nn.LayerNorm",
        f"aten.cumsum.default in the model at {line_of('line 2')}: ",
        f"aten.elu.default in 'act' at {line_of('lines 3 and 4')}: ",
        f"aten.group_norm.default in 'norm' at {line_of('lines 3 and 4')}: ",
        f"aten.leaky_relu.default in the model at {line_of('line 5')}: ",
        f"aten.pow.Tensor_Tensor in the model at {line_of('line 6')}: not supported; use linear",
        f"aten.add.Tensor in the model at {line_of('line 7')}: alpha = 2; ",
        f"aten.matmul.default in the model at {line_of('line 8')}: a parameter times a value; put the value first",
        f"aten.native_dropout.default in the model at {line_of('line 9')}: it stays on in eval mode; use nn.Dropout",
        f"aten.prod.dim_int in the model at {line_of('line 10')}: ",
    ]
    assert len(lines) == 10
    for line, start in zip(lines, starts, strict=True):
        assert line.startswith(start)


def refusal(forward, *shapes, dtype=torch.float32):
    """The message for a model with this forward, which may use ``self.fc``, ``self.n`` and ``self.count``."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.n = nn.Linear(4, 4), nn.Parameter(torch.ones(4))
            self.register_buffer("count", torch.zeros(4))

    forward.__code__ = forward.__code__.replace(co_name="forward")  # torch keeps the places of functions of this name
    Model.forward = forward
    with pytest.raises(ValueError) as e:  # noqa: PT011  the caller looks at the message
        export(Model(), tuple(torch.zeros(s, dtype=dtype) for s in shapes))
    return str(e.value)


@pytest.mark.parametrize(
    ("forward", "told"),
    [
        (lambda self, x: x.flatten(0), "result has shape"),
        (lambda self, x: x.transpose(0, 1), "aten.transpose.int"),
        (lambda self, x: F.linear(x, self.fc.weight * x.mean()), "aten.mean.default"),
        (lambda self, x: F.linear(x, self.n[:, None] * x[:1]), "aten.slice.Tensor"),
        (lambda self, x: F.linear(x, self.n), "weight of shape (4); it must be (out, in)"),
        (lambda self, x: (x, self.n), "output 1: 'n' is a parameter"),
        (lambda self, x: (x, None), "output 1: None is no tensor"),
        (lambda self, x: self.count.add_(1) + x, "changes buffer 'count'"),
        (lambda self, x: x.long(), "to torch.int64; only real numbers"),
        (lambda self, x: x if x.sum() > 0 else x + x, "forward depends on the numbers in its input"),
        (lambda self, x: x + float(x.max()), "forward depends on the numbers in its input"),
        (lambda self, x: x.view(3, 4), "forward works for 3 samples only; keep axis 0, the batch, free"),
        (lambda self, x: x if x.shape[0] < 6 else x + x, "does not take every number of samples"),
        (lambda self, x: x + {}["key"], "KeyError: 'key'"),
        (lambda self, x: nn.functional.linear(x, torch.ones(4, 5)), "RuntimeError: "),
    ],
)
def test_refusals_tell_why_and_where(forward, told):
    message = refusal(forward, (3, 4))
    assert told in message
    assert "/" not in message.split(told)[0]  # no folder of this machine
    if "works for" not in told and "every number" not in told and "output" not in told:
        assert f"test_export.py:{forward.__code__.co_firstlineno}" in message


def test_follow_ups_of_a_refused_node_are_not_told():
    lines = refusal(lambda self, x: self.fc(x.transpose(0, 1).relu().transpose(0, 1)), (3, 4)).splitlines()
    assert [line.split()[0] for line in lines] == ["aten.transpose.int"]


def test_integers_are_for_embeddings_alone():
    told = refusal(lambda self, ids: self.fc(ids * 2), (3, 4), dtype=torch.int64)
    assert "'mul' is torch.int64; only an embedding takes integers, give floats" in told
    told = refusal(lambda self, x: self.fc(x.real), (3, 4), dtype=torch.complex64)
    assert told.startswith("input 'x': dtype torch.complex64; give floats, integers for an embedding, or 0 and 1")


@pytest.mark.parametrize(
    ("example", "told"),
    [
        (torch.zeros(()), "a scalar has no batch axis"),
        (torch.zeros(0, 4), "axis 0 is the batch"),
        ((torch.zeros(2, 4), torch.zeros(3, 4)), r"axis 0 is the batch.*'\[0\]': 2, '\[1\]': 3"),
        ([], "example is a list"),
        (3.0, "example is a float"),
        ([torch.zeros(2, 4), [torch.zeros(2, 4)]], r"example \[1\]: list is no tensor"),
        ((torch.zeros(2, 4), torch.zeros(2, 4)), "example has 2 inputs, Linear.forward takes"),
        ({"x": torch.zeros(2, 4)}, r"example has inputs \['x'\]"),
        (torch.zeros(4), "works for 4 samples only"),
        (torch.zeros(3, 5), "torch cannot export Linear: RuntimeError"),
    ],
)
def test_bad_examples(example, told):
    with pytest.raises(ValueError, match=told):
        export(nn.Linear(4, 4), example)


def test_models_are_modules():
    with pytest.raises(ValueError, match="model is a function: give a torch"):
        export(line_of, torch.zeros(2, 4))


def test_weights_that_are_not_finite():
    model = nn.Linear(4, 4)
    with torch.no_grad():
        model.weight[2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"parameter 'weight': nan at index \(2, 1\)"):
        export(model, torch.zeros(2, 4))


def test_nothing_on_stdout(capsys):
    refusal(lambda self, x: x if x.sum() > 0 else x + x, (3, 4))
    assert capsys.readouterr().out == ""
