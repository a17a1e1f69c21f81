import numpy as np
import pytest

from hwsim import CONTRACTS, INT4, INT8, INT16, Recipe, simulate
from hwsim.calibration import calibrate
from hwsim.front import FrontGraph, FrontNode
from hwsim.lowering import lower
from hwsim.ops import Add, Lut, MatMul, Requant, Reshape
from hwsim.store import dumps
from tests.compare import assert_one_line, assert_refused, assert_same
from tests.oracles.nets import linear_net, lowered, reals, residual_net, samples, sqnr

NAMES = [c.name for c in CONTRACTS]
every_contract = pytest.mark.parametrize("contract", NAMES)


def ops(graph):
    return [type(n.op) for n in graph.nodes]


@every_contract
@pytest.mark.parametrize("seed", range(4))
def test_random_nets_keep_25_db_under_every_contract(contract, seed):
    front = residual_net(seed)
    g = lowered(front, samples(front, seed), Recipe(contract=contract))
    assert {n.op.contract.name for n in g.nodes if n.op.name == "requant"} <= {contract, "pow2"}
    for output, db in sqnr(front, g, samples(front, seed + 100)).items():
        assert db > 25, f"{output}: {db:.1f} dB"


RECIPES = {  # settings -> least SQNR, dB
    "per_tensor": ({"per_channel": False}, 25),
    "symmetric": ({"symmetric": True}, 25),
    "power_of_two": ({"power_of_two": True}, 25),
    "uint8": ({"activations": "uint8"}, 25),
    "int16": ({"activations": "int16"}, 35),
    "int16 both": ({"activations": "int16", "weights": "int16"}, 60),
    "int4 weights": ({"weights": "int4"}, 12),
    "fp4 weights": ({"weights": "fp4_e2m1"}, 12),
    "fp8 weights": ({"weights": "fp8_e4m3"}, 22),
    "percentile": ({"observer": "percentile"}, 25),
    "half_even": ({"rounding": "half_even"}, 25),
    "all": ({"per_channel": False, "symmetric": True, "power_of_two": True, "contract": "tflm_double"}, 20),
    "override": ({"overrides": (("fc2", {"weights": "int4"}), ("fc*", {"contract": "onnx_float"}))}, 18),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes(name):
    settings, least = RECIPES[name]
    front = residual_net(7)
    data = samples(front, 7)  # the calibration data themselves: nothing is clipped by surprise
    for output, db in sqnr(front, lowered(front, data, Recipe(**settings)), data).items():
        assert db > least, f"{output}: {db:.1f} dB"


def test_settings_reach_their_tensors():
    front = residual_net(1)
    settings = {"fc2": {"weights": "int4"}, "fc1": {"per_channel": False}, "sum": {"activations": "int16"}}
    data = samples(front)
    g = lowered(front, data, Recipe(symmetric=True, overrides=tuple(settings.items())))
    types = {name: t.type for name, t in g.constants.items()}
    assert types["fc1.weight"].axis is None
    assert (types["fc2.weight"].fmt, types["fc2.weight"].axis) == (INT4, 1)
    assert types["fc3.weight"].fmt == INT8
    by_name = {v.name: v.type for v in g.values()}
    assert {t.zero_point for t in by_name.values()} == {0}
    assert by_name["act2"].fmt == INT16  # "sum" and the ReLU that is fused into it are one layer
    assert g.recipe["symmetric"] is True
    assert g.recipe["overrides"] == settings
    pow2 = lowered(front, data, Recipe(power_of_two=True))
    assert all(np.frexp(v.type.lsb)[0].min() == 0.5 == np.frexp(v.type.lsb)[0].max() for v in pow2.values())


def check_linear(front, data, recipe, slack=0.02):
    """Each code is within half a step of the exact result of the quantized input and weights."""
    g = lowered(front, data, recipe)
    values = reals(g, data, engine="numpy")
    w = g.constants["fc.weight"].dequantize()
    exact = values["x"] @ w + front.params["b"].astype(np.float64)
    y = g.outputs[0]
    low, high = (float(y.type.lsb) * (end - y.type.zero_point) for end in (y.type.fmt.min_int, y.type.fmt.max_int))
    off = np.abs(values[y.name] - np.clip(exact, low, high)) / float(y.type.lsb)
    assert off.max() <= 0.5 + slack, f"{(off > 0.5 + slack).sum()} of {off.size}, worst {off.max()} steps"
    assert_same(*(simulate(g, data, engine=e)[y.name] for e in ("numpy", "numba")))
    return g


@every_contract
@pytest.mark.parametrize("per_channel", [True, False])
def test_codes_are_within_half_a_step(contract, per_channel):
    rng = np.random.default_rng(3)
    front = linear_net(rng.normal(0, 1, (12, 30)), rng.normal(0, 1, 12))
    # double rounding: the first loses up to half of what the second sees, which 24 fraction bits make little
    check_linear(front, samples(front), Recipe(contract=contract, per_channel=per_channel))


HARD = {
    "dead": lambda w, b: w[::3].fill(0),
    "dead without bias": lambda w, b: (w[::3].fill(0), b[::3].fill(0)),
    "all dead": lambda w, b: (w.fill(0), b.fill(0)),
    "tiny": lambda w, b: w[::3].__imul__(1e-6),
    "tiny without bias": lambda w, b: (w[::3].__imul__(1e-6), b[::3].fill(0)),
    "far too tiny": lambda w, b: (w[::3].__imul__(1e-30), b[::3].fill(0)),
    "one huge weight": lambda w, b: w.__setitem__((1, 1), 1e4),
    "huge bias": lambda w, b: b.__imul__(1e5),
    "one huge bias": lambda w, b: b.__setitem__(2, -1e6),
    "dead with huge bias": lambda w, b: (w[::3].fill(0), b[::3].fill(1e6)),
}


@every_contract
@pytest.mark.parametrize("name", HARD)
def test_hard_channels(name, contract):
    rng = np.random.default_rng(4)
    w, b = rng.normal(0, 1, (60, 20)), rng.normal(0, 1, 60)
    HARD[name](w, b)
    front = linear_net(w, b)
    check_linear(front, samples(front), Recipe(contract=contract))


def test_no_bias_is_a_bias_of_zero():
    w = np.random.default_rng(5).normal(0, 1, (6, 20))
    data = samples(linear_net(w))
    bare, zero = (lowered(linear_net(w, b), data) for b in (None, np.zeros(6)))
    assert dumps(bare) == dumps(zero)


def test_a_relu_is_fused_into_the_layer_that_it_alone_reads():
    rng = np.random.default_rng(6)
    w, b = rng.normal(0, 1, (6, 20)), rng.normal(0, 1, 6)
    front = linear_net(w, b, relu=True)
    data = samples(front)
    ranges = {**calibrate(front, [data], Recipe()), "fc": (-3.0, 5.0), "act": (-3.0, 5.0)}
    fused = lower(front, ranges)
    assert ops(fused) == [MatMul, Requant]
    plain = lower(linear_net(w, b), ranges)
    zero = fused.outputs[0].type.zero_point
    assert zero > -128
    assert fused.nodes[-1].op.lo == zero
    got, unclamped = simulate(fused, data)["act"], simulate(plain, data)["fc"]
    assert_same(np.maximum(unclamped, zero), got, unclamped)
    assert (unclamped < zero).any()
    front.outputs.insert(0, "fc")  # now somebody else reads it
    apart = lower(front, ranges)
    assert ops(apart) == [MatMul, Requant, Lut]
    assert [v.name for v in apart.outputs] == ["fc", "act"]
    assert_same(np.maximum(unclamped, zero), simulate(apart, data)["act"])


@pytest.mark.parametrize("fmt", ["int8", "uint8", "int4", "int16"])
def test_a_relu_alone(fmt):
    front = FrontGraph("r", {"x": (5,)}, {}, [FrontNode("relu", ("x",), "y")], ["y"])
    data = {"x": np.random.default_rng(0).normal(0, 1, (400, 5)).astype(np.float32)}
    g = lowered(front, data, Recipe(activations=fmt))
    assert ops(g) == [Requant if fmt == "int16" else Lut]
    got, y = reals(g, data), g.outputs[0].type
    top = float(y.lsb) * (y.fmt.max_int - y.zero_point)  # the input's last half step may lie past it
    off = np.abs(got["y"] - np.clip(got["x"], 0, top)) / float(y.lsb)
    contract = 0.5 if fmt == "int16" else 0  # a 16-bit multiplier is off by up to 2**-17 of 2**16 steps
    assert off.max() < 0.51 + contract


def test_add_rounds_once_on_a_finer_grid():
    front = FrontGraph("a", {"a": (8,), "b": (8,)}, {}, [FrontNode("add", ("a", "b"), "y")], ["y"])
    rng = np.random.default_rng(0)
    for scale in (1, 0.02, 50):
        data = {"a": rng.normal(0.3, 1, (500, 8)), "b": rng.normal(-0.2, scale, (500, 8))}
        data = {k: v.astype(np.float32) for k, v in data.items()}
        g = lowered(front, data)
        assert ops(g) == [Requant, Requant, Add, Requant]
        assert {n.ins[0].name: n.outs[0].type.fmt for n in g.nodes[:2]} == {"a": INT16, "b": INT16}
        got, out = reals(g, data), g.outputs[0].type
        low, high = (float(out.lsb) * (end - out.zero_point) for end in (-128, 127))
        off = np.abs(got["y"] - np.clip(got["a"] + got["b"], low, high)) / float(out.lsb)
        assert off.max() <= 0.5 + 0.05, f"b is {scale} times as large: {off.max()} steps"


def test_a_value_added_to_itself_and_an_input_as_output():
    front = FrontGraph("s", {"x": (3,)}, {}, [FrontNode("add", ("x", "x"), "y")], ["y", "x"])
    data = samples(front)
    got = reals(lowered(front, data), data)
    assert np.abs(got["y"] - 2 * got["x"]).max() < 0.06


def test_reshape_moves_codes_and_keeps_the_type():
    front = FrontGraph("m", {"x": (2, 3)}, {}, [FrontNode("reshape", ("x",), "y", {"shape": [3, 2]})], ["y"])
    data = samples(front)
    g = lowered(front, data)
    assert ops(g) == [Reshape]
    x, y = g.inputs[0].type, g.outputs[0].type
    assert (y.scale, y.zero_point, y.sample_shape) == (x.scale, x.zero_point, (3, 2))
    traced = simulate(g, data, trace=True)
    assert_same(traced["x"].reshape(-1, 3, 2), traced["y"])


def test_values_keep_their_names_and_lowering_is_reproducible():
    front = residual_net(2)
    data = samples(front)
    g = lowered(front, data)
    assert {"x", "flat", "act1", "fc2", "act2", "fc3"} <= {v.name for v in g.values()}
    assert [v.name for v in g.outputs] == ["fc3", "act2"]
    assert dumps(g) == dumps(lowered(front, data))


def test_an_override_of_a_layer_holds_though_its_relu_is_fused():
    rng = np.random.default_rng(8)
    front = linear_net(rng.normal(0, 1, (6, 20)), rng.normal(0, 1, 6), relu=True)
    g = lowered(front, samples(front), Recipe(overrides=(("fc", {"contract": "tfl_single"}),)))
    assert [n.op.contract.name for n in g.nodes if n.op.name == "requant"] == ["tfl_single"]


def refused(front, recipe=None, ranges=None, *culprits):
    every = {**dict.fromkeys(("x", "fc", "act", "y"), (-1.0, 1.0)), **(ranges or {})}
    assert_refused(lambda: lower(front, every, recipe), *culprits)


def test_refusals():
    w = np.ones((2, 3))
    one = linear_net(w)
    refused(one, Recipe(activations="fp8_e4m3"), None, "fp8_e4m3", "'fc'")
    refused(one, Recipe(symmetric=True, activations="uint8"), None, "uint8", "-1.0")
    refused(one, None, {"fc": (np.nan, 1.0)}, "nan")
    with pytest.raises(ValueError, match="'fc' has no calibration range"):
        lower(one, {"x": (0.0, 1.0)})
    unknown = FrontGraph("u", {"x": (3,)}, {}, [FrontNode("fft", ("x",), "y", where="net.py:3")], ["y"])
    unknown.nodes.append(FrontNode("sort", ("y",), "z"))
    refused(unknown, None, None, "fft (y, net.py:3)", "sort (z)")


def test_weights_that_are_computed_are_refused():
    front = FrontGraph("c", {"x": (3,)}, {}, [FrontNode("linear", ("x", "x"), "fc", where="net.py:9")], ["fc"])
    refused(front, None, None, "'fc'")


def test_unsigned_weights_are_refused_or_keep_the_model():
    front = residual_net(3)
    data = samples(front)
    try:
        g = lowered(front, data, Recipe(weights="uint8"))
    except ValueError as e:
        assert_one_line(e, "uint8")
    else:
        assert min(sqnr(front, g, data).values()) > 25


def test_an_idle_channel_has_no_say_in_the_scale_of_a_whole_tensor():
    weight = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    weight[2] = 0
    front = linear_net(weight)
    g = lowered(front, samples(front), Recipe(per_channel=False, weights="int16"))
    assert g.constants["fc.weight"].type.scale == pytest.approx(np.abs(weight).max() / 32767)
