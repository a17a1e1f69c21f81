"""Tables in the training loop: forward what the integer blocks give, backward the function."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: training through tables (pip install 'hwsim[algos]')")

import algos  # noqa: E402
from algos.examples import IMAGES, VIT_FRONT  # noqa: E402
from algos.fitted import Fitted  # noqa: E402
from algos.front_module import FrontModule  # noqa: E402
from algos.gqa_lut import tables  # noqa: E402
from algos.prepare import Prepared  # noqa: E402
from algos.torch_front import compute  # noqa: E402
from hwsim import INT8, INT16, UINT1, UINT16, Graph, QTensor, QType, Recipe, simulate  # noqa: E402
from hwsim.blocks import LayerNorm, RMSNorm, Softmax, fitted  # noqa: E402
from hwsim.front import FrontNode, load_front  # noqa: E402
from hwsim.recipe import TABLED  # noqa: E402
from tests.compare import all_codes, assert_same  # noqa: E402
from tests.hwsim.blocks.norms import rows  # noqa: E402
from tests.hwsim.blocks.test_softmax import scores  # noqa: E402

TABLES = tables()
LOOP = Fitted(Recipe(tables=TABLES))
SPELLED = {"hswish": "hardswish", "hsigmoid": "hardsigmoid", "gelu_tanh": "gelu"}
BLOCKS = ("exp", "log", "reciprocal", "rsqrt")


def reals(graph, inputs):
    """What the integer graph gives."""
    (out,) = graph.outputs
    return QTensor(out.type, simulate(graph, inputs)[out.name]).dequantize()


@pytest.mark.parametrize("name", [t for t in TABLED if t not in BLOCKS])
def test_functions_on_every_code(name):
    node = FrontNode(SPELLED.get(name, name), ("x",), "y", {"approximate": "tanh"} if name == "gelu_tanh" else {})
    codes = all_codes(INT8)[:, None]
    for n in (0, 4, 6):
        g = Graph("f")
        x = g.input("x", QType(("N", 1), INT8, 2.0**-n))
        g.output(fitted(g, x, TABLES[name], QType((), INT16, 2.0 ** -(6 + n)), name="y"))
        real = torch.from_numpy(codes.astype(np.float32) * 2.0**-n).requires_grad_()
        exact = compute(node, real)
        got = LOOP.through(node, exact, [real], 2.0**-n)
        assert_same(reals(g, {"x": codes}).astype(np.float32), got.detach().numpy())
        (slope,) = torch.autograd.grad(got.sum(), real)
        assert_same(torch.autograd.grad(compute(node, real).sum(), real)[0].numpy(), slope.numpy())


@pytest.mark.parametrize("some", [("exp", "reciprocal"), ("exp",), ("reciprocal",)], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_softmax_is_the_block(some, masked):
    chosen, scale = {name: TABLES[name] for name in some}, 2.0**-6
    codes, keep = scores(INT8, 9, count=300), np.tri(9)[4] if masked else np.ones(9)
    g = Graph("p")
    x = g.input("x", QType(("N", 9), INT8, scale))
    mask = g.constant("keep", QTensor(QType((9,), UINT1), keep.astype(np.uint8))) if masked else None
    g.output(Softmax()(g, x, QType((), UINT16, 2.0**-16), mask=mask, tables=chosen, name="p"))
    node = FrontNode("softmax", ("x", "keep")[: 1 + masked], "p")
    ins = [torch.from_numpy(codes * np.float32(scale)), torch.from_numpy(keep.astype(np.float32))][: 1 + masked]
    got = Fitted(Recipe(tables=chosen)).through(node, compute(node, *ins), ins, scale).numpy()
    close = 2**-15 if "reciprocal" in some and "exp" in some else 2**-8.5  # whole tables have 256 entries, floats none
    assert np.abs(got - reals(g, {"x": codes})).max() <= close


@pytest.mark.parametrize("block", [LayerNorm(), RMSNorm()], ids=["layer_norm", "rms_norm"])
def test_norms_are_the_blocks(block):
    rng, scale = np.random.default_rng(0), 2.0**-8
    codes, weight = rows(INT16, 32, count=40), rng.normal(size=32).astype(np.float32)
    g, out = Graph("y"), QType((), INT16, 2.0**-11)
    x = g.input("x", QType(("N", 32), INT16, scale))
    g.output(block(g, x, out, weight=weight.astype(np.float64), eps=1e-5, tables=TABLES, name="y"))
    name = "layer_norm" if isinstance(block, LayerNorm) else "rms_norm"
    node = FrontNode(name, ("x", "w"), "y", {"eps": 1e-5})
    ins = [torch.from_numpy(codes * np.float32(scale)), torch.from_numpy(weight)]
    got = LOOP.through(node, compute(node, *ins), ins, scale).numpy()
    plain = compute(node, *ins).numpy()
    want = reals(g, {"x": codes})
    near, far = (np.abs(y - want)[10:] for y in (got, plain))  # rows before are constant, or small for the short d
    assert near.max() < 0.02  # one step of the mantissa, where the rounded d tips it over
    assert np.sqrt(np.mean(near**2)) < 0.6 * np.sqrt(np.mean(far**2))


def test_no_tables_no_change():
    x = torch.randn(3, 4)
    for node in (FrontNode("gelu", ("x",), "y"), FrontNode("softmax", ("x",), "y"), FrontNode("add", ("x", "x"), "y")):
        y = torch.randn(3, 4)
        assert Fitted(Recipe()).through(node, y, [x, x], 0.5) is y


def test_training_sees_the_tables_and_keeps_to_their_steps():
    with np.load(IMAGES) as z:
        data = z["calibration"][:64].astype(np.float32) / 255
    p = algos.calibrate(Prepared(front=load_front(VIT_FRONT), recipe=Recipe(tables=TABLES)), data)
    module, x = FrontModule(p), torch.from_numpy(data)
    exact, fake = module.eval()(x), module.train()(x)
    module.fitted = Fitted(Recipe())
    plain = module(x)
    assert (fake - exact).square().mean() < 0.6 * (plain - exact).square().mean()
    read = [q for n, q in zip(module.quantized_names, module.quantizers, strict=True) if module.roles.arguments.get(n)]
    assert len(read) == 4
    for q in read:
        assert (q.zero_point, q.steps) == (0, (0, -1, -2, -3, -4, -5, -6))
        with torch.no_grad():
            q.log2_scale.fill_(-9.3)
        assert (float(q.scale().detach()), q.mark().scale) == (2.0**-6, 2.0**-6)
        q.steps = (0, -3)
        for trained, kept in ((-1.4, 1.0), (-1.6, 0.125), (-2.2, 0.125)):
            with torch.no_grad():
                q.log2_scale.fill_(trained)
            assert (float(q.scale().detach()), q.mark().scale) == (kept, kept)
    algos.lower(Prepared(front=module.front(), recipe=p.recipe, ranges=p.ranges))
