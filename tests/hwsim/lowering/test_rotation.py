"""Sums of two products with parameters: against Python integers, one rounding, equal on every engine."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from hwsim import INT16, Graph, Recipe
from hwsim.calibration import calibrate
from hwsim.front import Mark
from hwsim.lowering import lower
from hwsim.ops import Requant
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_same
from tests.hwsim.lowering.test_patterns import Net, sqnr

LENGTH, SIZE = 5, 8


def angles() -> tuple[np.ndarray, np.ndarray]:
    at = np.outer(np.arange(LENGTH), 10.0 ** -np.arange(SIZE // 2)).astype(np.float32)
    return np.cos(at), np.sin(at)


def halves() -> Net:
    """Hugging Face's: ``x * cos + concat(-x2, x1) * sin``."""
    n = Net(3, LENGTH, SIZE)
    c, s = angles()
    n.front.params |= {"cos": np.hstack([c, c]), "sin": np.hstack([s, s]), "minus": np.float32(-1)}
    x = n.node("identity", "x", out="y")
    first, second = (n.node("slice", x, axis=3, start=i, stop=i + SIZE // 2, step=1) for i in (0, SIZE // 2))
    joined = n.node("concat", n.node("mul", second, "minus", out="negative"), first, out="joined", axis=3)
    n.node("add", n.node("mul", x, "cos", out="a"), n.node("mul", joined, "sin", out="b"), out="turned")
    return n


def pairs() -> Net:
    """llama.cpp's: the even and odd entries turned, then put side by side."""
    n = Net(3, LENGTH, SIZE)
    n.front.params |= {**dict(zip(("c", "s"), angles(), strict=True)), "minus": np.float32(-1)}
    even, odd = (n.node("slice", "x", axis=3, start=i, stop=SIZE, step=2) for i in (0, 1))
    negative = n.node("mul", n.node("mul", odd, "s"), "minus")
    first = n.node("add", n.node("mul", even, "c"), negative, out="first")
    second = n.node("add", n.node("mul", even, "s"), n.node("mul", odd, "c"), out="second")
    parts = [n.node("reshape", y, shape=[3, LENGTH, SIZE // 2, 1]) for y in (first, second)]
    n.node("reshape", n.node("concat", *parts, axis=4, out="side"), shape=[3, LENGTH, SIZE], out="turned")
    return n


def two_values(*, clamp: bool = False, **marks: Mark) -> tuple[Net, Graph, dict[str, np.ndarray]]:
    """``y * p + z * q`` of two values, which have one step only where marks say so."""
    n = Net(4, 6)
    n.node("identity", "x", out="y")
    n.node("tanh", "x", out="z")
    total = n.node("add", n.node("mul", "y", n.param("p", 6), out="a"), n.node("mul", n.param("q", 4, 1), "z", out="b"))
    n.front.marks = marks
    g, x = n.graph(n.node("relu", total) if clamp else total)
    return n, g, x


def ops(g: Graph) -> list[str]:
    return [n.op.name for n in g.nodes]


RECIPES = [Recipe(), Recipe(contract="pow2"), Recipe(activations="int16"), Recipe(symmetric=True, activations="int4")]


@pytest.mark.parametrize("recipe", RECIPES, ids=["int8", "pow2", "int16", "int4"])
@pytest.mark.parametrize("net", [halves, pairs])
def test_near_float_and_equal_on_every_engine(net, recipe):
    n = net()
    g, x = n.graph("turned", recipe=recipe)
    assert sqnr(n, g, x) > {"int16": 70, "int8": 30, "int4": 9}[recipe.activations]
    assert check_engines(g, {"x": x["x"][:9]}) > 0


def rounded_once(g: Graph, n: Net, x: np.ndarray, out: str) -> np.ndarray:
    """The exact sum of codes times parameters on the shared grid, over the result's step, in Python's fractions."""
    codes, constants = simulate(g, {"x": x}, trace=True), g.constants
    y, v = g.known["y"].type, g.known[out].type
    c, s = (constants[name] for name in ("cos", "sin.signed"))
    a = codes["y"].astype(object) - y.zero_point
    b = np.concatenate([a[..., SIZE // 2 :], a[..., : SIZE // 2]], -1)
    step = Fraction(float(y.lsb)) * Fraction(float(c.type.lsb)) / Fraction(float(v.lsb))
    exact = a * c.codes.astype(object) + b * s.codes.astype(object)
    top = [
        max(v.fmt.min_int, min(v.fmt.max_int, (e * step + Fraction(1, 2)).__floor__() + v.zero_point))
        for e in exact.flat
    ]
    return np.array(top).reshape(exact.shape)


def test_a_rotation_is_rounded_once():
    """Against fractions: at most one step where dyadic16's multiplier moves a tie, else equal; never two roundings."""
    n = halves()
    g, x = n.graph("turned", recipe=Recipe(activations="int8"))
    want, got = rounded_once(g, n, x["x"], "turned"), simulate(g, x)["turned"].astype(int)
    assert np.abs(got - want).max() <= 1
    assert (got != want).mean() < 1e-3
    assert [n.outs[0].name for n in g.nodes if isinstance(n.op, Requant)] == ["y", "turned"]
    assert [g.constants[name].type.fmt for name in ("cos", "sin.signed")] == [INT16, INT16]
    assert g.constants["cos"].type.scale == g.constants["sin.signed"].type.scale
    assert ops(g).count("concat") == 1


def test_pieces_of_one_value_keep_its_type():
    """However the recipe or training has it: no second step is made for the same numbers."""
    for recipe in (Recipe(), Recipe(overrides=(("y", {"activations": "int16"}),))):
        g, _ = halves().graph("turned", recipe=recipe)
        y, joined = g.known["y"].type, g.known["joined.unsigned"].type
        assert (y.fmt, y.scale, y.zero_point) == (joined.fmt, joined.scale, joined.zero_point)
    n = halves()
    n.front.marks = {"y": Mark(0.011, 3), "joined.unsigned": Mark(0.5, 0)}
    g, _ = n.graph("turned")
    assert g.known["joined.unsigned"].type.scale == 0.011


def test_pairs_stay_in_their_accumulator_until_they_are_joined():
    g, _ = pairs().graph("turned")
    assert {g.known[name].type.fmt.name for name in ("first", "second")} == {"int32"}
    rounded = [n.outs[0].name for n in g.nodes if isinstance(n.op, Requant)]
    assert rounded == ["side.part0", "side.part1"]


def test_values_of_two_steps_are_rounded_as_products():
    """No common grid: what `mul` and `add` do alone, to the last bit."""
    n, g, x = two_values()
    assert [v.outs[0].name for v in g.nodes if isinstance(v.op, Requant)][1:3] == ["a", "b"]
    (out,) = n.front.outputs
    n.front.outputs = [out, "a", "b"]  # what is seen waits for no sum
    seen = lower(n.front, calibrate(n.front, [x], Recipe()), Recipe())
    assert_same(simulate(seen, x)[out], simulate(g, x)[out], what=out)
    assert check_engines(g, {"x": x["x"][:9]}) > 0


@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize("zeros", [(0, 0), (3, -7)])
def test_values_of_one_step(zeros, clamp):
    """Their zero points may differ; a ReLU is the clamp of the one rounding."""
    n, g, x = two_values(clamp=clamp, **{name: Mark(0.02, zero) for name, zero in zip("yz", zeros, strict=True)})
    assert ops(g)[-2:] == ["add", "requant"]
    assert sqnr(n, g, x) > 30
    assert check_engines(g, {"x": x["x"][:9]}) > 0


@pytest.mark.parametrize("output", [False, True])
def test_what_somebody_else_sees_is_rounded(output):
    """A product that another node reads, or that is an output."""
    n = halves()
    more = "a" if output else n.node("relu", "a")
    g, x = n.graph("turned", more)
    assert {"a", "b", "turned"} <= {v.outs[0].name for v in g.nodes if isinstance(v.op, Requant)}
    assert sqnr(n, g, x) > 25
    assert check_engines(g, {"x": x["x"][:9]}) > 0


@pytest.mark.parametrize("factor", [1, 0])
def test_layers_share_one_table(factor):
    """Two rotations by one table have one constant; on another grid a constant of their own, even of the same codes."""
    n = halves()
    n.front.params["cos"] *= factor
    n.node("mul", "turned", "cos", out="c")
    n.node("mul", "y", "large", out="d")
    n.front.params["large"] = np.full((LENGTH, SIZE), 3, np.float32)
    n.node("identity", "turned", out="same")
    n.node("add", "c", "d", out="other")
    n.front.marks = {"turned": Mark(0.03, 0), "y": Mark(0.03, 0)}
    g, x = n.graph("other")
    tables = {name: t.type.scale for name, t in g.constants.items() if "cos" in name}
    assert set(tables) == {"cos", "c.cos"}
    assert tables["c.cos"] == pytest.approx(3 / 32767)
    assert check_engines(g, {"x": x["x"][:9]}) > 0
