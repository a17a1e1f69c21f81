"""matmul, softmax, norms, identity and parameters in a concat, lowered: near float, equal on every engine."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from codegen import emit_c
from hwsim import INT8, INT16, UINT4, UINT8, UINT16, Graph, Recipe
from hwsim.blocks import Attention
from hwsim.contracts import OnnxFloat
from hwsim.front import FrontGraph, FrontNode, Mark
from hwsim.front_ops import FRONT_OPS, UNARY
from hwsim.quantization import quantize_model
from hwsim.reports import compare
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_refused, assert_same
from tests.hwsim.lowering.test_patterns import NETS, Net, sqnr
from tests.oracles.nets import encoder_net, lowered, samples
from tests.oracles.nets import sqnr as sqnr_of

ENGINES = ("numba", "c", "ort", "onnx_reference")
Made = tuple[Net, list[str]]


def products() -> Made:
    """Two matmuls of values, one of them scaled, one read twice."""
    n = Net(2, 4, 6)
    t = n.node("transpose", "x", perm=[0, 1, 3, 2])
    m = n.node("matmul", "x", t, gain=0.4)
    s = n.node("mul", n.node("matmul", m, "x"), n.param("c", 1))
    n.front.params["c"][:] = 0.3
    return n, [n.node("relu", m), s]


def softmax(mask: str = "") -> Made:
    """Scores that stay in their accumulator, others with a bias, and softmax of an input; masks of several ranks."""
    n = Net(2, 5, 5)
    masks = {"": [], "causal": [np.tril(np.ones((5, 5)))], "padding": [np.array([1, 1, 0, 1, 0])]}
    ins = []
    for p in masks[mask]:
        n.front.params["mask"], ins = p.astype(np.float32), ["mask"]
    a = n.node("softmax", n.node("matmul", "x", "x", gain=0.5), *ins)
    b = n.node("softmax", n.node("add", n.node("matmul", "x", "x"), n.param("bias", 2, 5, 5)), *ins)
    return n, [a, b, n.node("softmax", "x", *ins)]


def log_softmax() -> Made:
    """Of an input, of scores that stay in their accumulator, and of a sum."""
    n = Net(2, 5, 5)
    total = n.node("add", "x", n.node("relu", "x"))
    return n, [n.node("log_softmax", v) for v in ("x", n.node("matmul", "x", "x", gain=0.5), total)]


def norms() -> Made:
    """Pre-norm and post-norm residuals; a residual that a layer reads too."""
    n = Net(3, 12)
    lin = [n.param(f"w{i}", 12, 12, scale=0.3) for i in range(3)]
    gains = [n.param(f"g{i}", 12) for i in range(4)]
    a = n.node("layer_norm", "x", gains[0], n.param("b0", 12), eps=1e-5)
    s = n.node("add", "x", n.node("linear", a, lin[0]))
    post = n.node("rms_norm", s, gains[1], eps=1e-6)
    again = n.node("layer_norm", n.node("add", post, n.node("gelu", n.node("linear", post, lin[1]))), eps=1e-5)
    return n, [n.node("linear", s, lin[2]), again, n.node("rms_norm", again, eps=1e-3)]


def identities() -> Made:
    n = Net(4, 6)
    y = n.node("identity", n.node("tanh", "x"))
    return n, [n.node("identity", n.node("mul", y, "x")), n.node("identity", n.node("identity", y))]


def tokens() -> Made:
    """Parameters before, between and behind values, along every axis; one value twice."""
    n = Net(3, 4)
    first = n.node("concat", n.param("p", 1, 4), "x", axis=1)
    last = n.node("concat", "x", n.param("q", 3, 2), axis=2)
    middle = n.node("concat", "x", n.param("r", 2, 4), n.node("relu", "x"), axis=1)
    around = n.node("concat", n.param("s", 1, 4), "x", n.param("t", 2, 4), "x", n.param("u", 1, 4), axis=1)
    pair = n.node("concat", n.param("v", 1, 4), n.param("w", 1, 4), "x", axis=1)
    normal = n.node("layer_norm", pair, eps=1e-5)
    return n, [first, last, middle, around, normal]


def masked() -> Made:
    """A mask made of an input: kept and left out, beside a constant in a softmax, counted, and in a mean."""
    n = Net(4, 5)
    keep = n.node("mask", "m")
    n.front.inputs["m"] = (4, 1)
    n.front.params["fixed"] = np.tril(np.ones((4, 4), np.float32))
    turned = n.node("reshape", keep, shape=[1, 4])
    scores = n.node("matmul", "x", n.node("transpose", "x", perm=[0, 2, 1]), gain=0.4)
    p = n.node("matmul", n.node("softmax", scores, "fixed", turned), "x")
    rest = n.node("masked", "x", n.node("not", keep))
    mean = n.node("div", n.node("sum", n.node("masked", p, keep), axes=[1]), n.node("sum", keep, axes=[1]), least=1.0)
    ratio = n.node("div", "x", n.node("sigmoid", p), least=0.25)
    wide = n.node("div", "x", n.node("sum", n.node("mul", "x", "x"), axes=[1]), least=2.0)
    return n, [rest, n.node("sum", rest, axes=[1]), mean, ratio, wide]


MAKERS: dict[str, Any] = {
    "masked": masked,
    "products": products,
    "softmax": softmax,
    "softmax, causal": lambda: softmax("causal"),
    "softmax, padding": lambda: softmax("padding"),
    "log_softmax": log_softmax,
    "norms": norms,
    "identities": identities,
    "tokens": tokens,
}
RECIPES = {  # recipe, least SQNR in dB
    "int8": (Recipe(), 24),
    "int16": (Recipe(activations="int16", weights="int16"), 34),
    "pow2": (Recipe(contract="pow2"), 18),
    "symmetric": (Recipe(symmetric=True, per_channel=False), 22),
    "tfl": (Recipe(contract="tfl_single", rounding="floor"), 20),
    "tflm": (Recipe(contract="tflm_double"), 24),
    "onnx": (Recipe(contract="onnx_float"), 24),
}


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", MAKERS)
def test_near_float_on_every_engine(name: str, recipe: str) -> None:
    net, outputs = MAKERS[name]()
    g, x = net.graph(*outputs, recipe=RECIPES[recipe][0])
    db = sqnr(net, g, x)
    assert db > RECIPES[recipe][1], f"{db:.1f} dB"
    few = {name: v[:4] for name, v in x.items()}
    check_engines(g, few, against={"int8": ENGINES, "int16": ("c", "ort")}.get(recipe, ("numba",)))


@pytest.mark.parametrize("name", MAKERS)
def test_int4_builds(name: str) -> None:
    net, outputs = MAKERS[name]()
    g, x = net.graph(*outputs, recipe=Recipe(activations="int4", weights="int4"))
    db = sqnr(net, g, x)
    assert db > 3, f"{db:.1f} dB"
    check_engines(g, {name: v[:4] for name, v in x.items()}, against=("c",))


def test_every_front_operation_is_lowered_in_some_test() -> None:
    """`embedding` has its own, the functions of one value theirs."""
    made = [make() for make in (*NETS, *MAKERS.values())]
    assert {n.op for net, _ in made for n in net.front.nodes} | {"embedding"} | set(UNARY) == set(FRONT_OPS)


@pytest.mark.parametrize("recipe", ["int8", "int16", "pow2"])
@pytest.mark.parametrize("causal", [False, True])
def test_an_encoder(recipe: str, causal: bool) -> None:
    front = encoder_net(2, causal=causal)
    data = samples(front)
    g = lowered(front, data, RECIPES[recipe][0])
    (db,) = sqnr_of(front, g, data).values()
    assert db > {"int8": 22, "int16": 38, "pow2": 16}[recipe], f"{db:.1f} dB"
    check_engines(g, {"x": data["x"][:3]}, against=ENGINES if recipe == "int8" and causal else ("numba",))


def test_no_float_at_run_time() -> None:
    """The integer contracts leave no float in the graph and none in the C code."""
    front = encoder_net(0, causal=True)
    g = lowered(front, samples(front))
    assert not any(isinstance(getattr(n.op, "contract", None), OnnxFloat) for n in g.nodes)
    files = emit_c(g)  # the headers' helpers for reals are the user's
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", files["encoder.c"] + files["encoder_data.c"], flags=re.DOTALL)
    assert len(code) > 10000
    assert not re.search(r"\b(float|double|exp|sqrt|roundf?|math\.h|hw_round_float)\b", code)


def types(g: Any) -> dict[str, Any]:
    return {v.name: v.type for v in g.values()}


def test_a_residual_of_eight_bits() -> None:
    """All of the stream is then as narrow, and symmetric still; outliers cost accuracy, see the 16-bit figure above."""
    front = encoder_net(2)
    data = samples(front)
    g = lowered(front, data, Recipe(residual="int8"))
    t = types(g)
    assert {t[n].fmt for n in ("x", "sum", "sum1", "sum2", "joined")} >= {INT8}
    assert {t[n].zero_point for n in ("sum", "sum1", "sum2", "joined")} == {0}
    assert INT16 not in {t[n].fmt for n in ("sum", "sum1", "sum2", "joined", "o", "down")}
    assert min(sqnr_of(front, g, data).values()) > 15


def test_overrides_reach_residual_softmax_and_layernorm() -> None:
    front = encoder_net(2)
    data = samples(front)
    overrides = (
        ("sum1", {"residual": "int8"}),
        ("p", {"softmax": {"z": "int16", "z_step": 2.0**-8, "mantissa": 12}, "activations": "int16"}),
        ("norm*", {"layernorm": {"width": 12}}),
        ("rms", {"layernorm": {"mantissa": 5}}),
    )
    t = types(lowered(front, data, Recipe(overrides=overrides)))
    assert (t["sum1"].fmt, t["sum"].fmt, t["sum2"].fmt) == (INT8, INT16, INT16)
    assert (t["p.z.requant"].fmt, t["p.z.requant"].scale, t["p"].fmt) == (INT16, 2.0**-8, UINT16)
    assert (t["norm1.u"].fmt.bits, t["norm2.u"].fmt.bits, t["rms.u"].fmt.bits) == (12, 12, 16)
    plain = types(lowered(front, data))
    assert (plain["p.z.requant"].fmt, plain["p"].fmt, plain["norm1.u"].fmt.bits) == (INT8, UINT8, 16)


@pytest.mark.parametrize(
    "settings", [{"activations": "int4"}, {"activations": "int8"}, {"activations": "int4", "contract": "pow2"}], ids=str
)
def test_a_mark_on_probabilities_never_empties_a_row(settings: dict[str, str]) -> None:
    """Training may grow the step past 1 / keys; the lowering takes 1 / keys then."""
    net, (p, *_) = softmax()
    net.front.marks = {p: Mark(0.9)}
    x = {"x": np.zeros((1, 2, 5, 5), np.float32)}  # all scores equal
    g, _ = net.graph(p, recipe=Recipe(**settings))
    t = g.outputs[0].type
    assert (t.fmt, t.scale * 5 <= 1) == (UINT4 if settings["activations"] == "int4" else UINT8, True)
    assert simulate(g, x)[p].min() == simulate(g, x)[p].max() == round(0.2 / t.scale)


def test_masked_codes_are_zero_and_rows_sum_to_one() -> None:
    net, outputs = softmax("causal")
    g, x = net.graph(*outputs, recipe=Recipe(activations="int16"))
    for name, p in simulate(g, x).items():
        assert (p[:, :, np.triu_indices(5, 1)[0], np.triu_indices(5, 1)[1]] == 0).all(), name
        assert np.abs(p.astype(int).sum(-1) - 65536).max() <= 65536 * 2**-8, name


def test_parameters_are_placed_to_the_code() -> None:
    net, (first, last, middle, *_) = tokens()
    g, x = net.graph(first, last, middle)
    y, t, params = simulate(g, x), types(g), net.front.params

    def codes(p: str, out: str) -> Any:
        return np.clip(np.rint(params[p].astype(float) / t[out].scale) + t[out].zero_point, -128, 127)

    samples_of = len(x["x"])
    assert_same(np.repeat(codes("p", first)[None], samples_of, 0), y[first][:, :1])
    assert_same(np.repeat(codes("q", last)[None], samples_of, 0), y[last][:, :, 4:])
    assert_same(np.repeat(codes("r", middle)[None], samples_of, 0), y[middle][:, 3:5])


def test_parts_of_a_concat_do_not_take_the_names_of_other_layers() -> None:
    """The exporter calls the second one ``concat.1``."""
    n = Net(3, 4)
    a = n.node("concat", "x", n.node("relu", "x"), out="concat", axis=1)
    b = n.node("concat", "x", a, out="concat.1", axis=1)
    g, x = n.graph(b, n.node("concat", b, a, out="concat.0", axis=1))
    assert sqnr(n, g, x) > 30


def test_refusals() -> None:
    n = Net(2, 5, 5)
    masked = n.node("softmax", "x", "x")
    with pytest.raises(ValueError, match="mask holds 0 and 1"):
        n.graph(masked)
    n = Net(4, 4)
    y = n.node("layer_norm", "x", "x", eps=1e-5)
    assert_refused(lambda: n.graph(y), "layer_norm", "computed", "must be a parameter")


@pytest.mark.parametrize("residual", ["int16", "int24", "int32"])
def test_wide_residual_streams_do_not_saturate(residual):
    """Sums of streams wider than INT16 have a grid of their own width."""
    front = encoder_net(3, width=16, heads=2, tokens=5)
    x = samples(front, 3)
    graph, twin = quantize_model(front, [x], Recipe(residual=residual))
    assert all(f.sqnr_db is None or f.sqnr_db > 20 for f in compare(graph, x, twin).fidelity.values())
    check_engines(graph, {name: v[:3] for name, v in x.items()}, against=("numba", "c"))


def test_the_attention_block_is_what_the_lowering_builds():
    """The block and the front graph's own transpose, matmul, softmax and matmul: the same codes."""
    shape, rng = (4, 8), np.random.default_rng(0)
    nodes = [
        FrontNode("transpose", ("k",), "turned", {"perm": [0, 2, 1]}),
        FrontNode("matmul", ("q", "turned"), "scores", {"gain": 8**-0.5}),
        FrontNode("softmax", ("scores",), "p"),
        FrontNode("matmul", ("p", "v"), "y", {"gain": 1.0}),
    ]
    front = FrontGraph("attention", dict.fromkeys("qkv", shape), {}, nodes, ["y"])
    x = {name: rng.normal(size=(64, *shape)).astype(np.float32) for name in "qkv"}
    lowered = quantize_model(front, [x], Recipe()).graph
    g = Graph("block")
    q, k, v = (g.input(i.name, i.type) for i in lowered.inputs)
    g.output(Attention()(g, q, k, v, lowered.outputs[0].type.reshaped(()), name="y"))
    assert_same(simulate(lowered, x)["y"], simulate(g, x)["y"])


def test_refusals_name_the_node_and_its_line():
    front = encoder_net(0)
    assert_refused(
        lambda: quantize_model(front, [samples(front)], Recipe(activations="uint8")),
        "linear 'q' at encoder.py:3", "uint8", "signed format",
    )  # fmt: skip
