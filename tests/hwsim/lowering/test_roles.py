"""Which values are wide, symmetric or probabilities, and the types that follow."""

import numpy as np
import pytest

from hwsim import INT8, INT16, UINT1, UINT4, UINT8, UINT16, Recipe
from hwsim.front import FrontGraph, FrontNode, Mark
from hwsim.lowering.roles import Roles, find_roles, probability_type
from hwsim.lowering.simplify import simplify
from tests.compare import assert_refused
from tests.oracles.nets import encoder_net, lowered, samples


def net(*lines, inputs=None, params=()):
    """Lines ``op out ins..``; everything has shape (4, 4)."""
    parts = [line.split() for line in lines]
    attrs = {"layer_norm": {"eps": 1e-5}, "rms_norm": {"eps": 1e-5}, "transpose": {"perm": [0, 2, 1]}}
    attrs |= {"reshape": {"shape": [4, 4]}, "concat": {"axis": 1}, "mean": {"axes": [1]}}
    attrs["slice"] = {"axis": 1, "start": 0, "stop": 4, "step": 1}
    nodes = [FrontNode(op, tuple(ins), out, attrs.get(op, {})) for op, out, *ins in parts]
    numbers = {p: np.random.default_rng(i).normal(size=(4, 4)).astype(np.float32) for i, p in enumerate(params)}
    return FrontGraph("roles", dict.fromkeys(inputs or ["x"], (4, 4)), numbers, nodes, [nodes[-1].out])


def names(text):
    return frozenset(text.split())


def test_pre_norm_residual():
    front = net(
        "linear a x w",
        "layer_norm n a",
        "linear f n w",
        "gelu g f",
        "linear h g w",
        "add s a h",
        "layer_norm m s",
        params=["w"],
    )
    assert find_roles(front) == Roles(names("a h s"), names(""), names(""), {"f": names("gelu")})


def test_post_norm_residual_has_narrow_copies():
    front = net(
        "layer_norm n x", "linear f n w", "add s n f", "layer_norm m s", "linear h m w", "relu r m", params=["w"]
    )
    front.outputs = ["h", "r"]
    simple = simplify(front)
    assert find_roles(simple).wide == names("x n f s")
    assert [(n.op, n.ins[0]) for n in simple.nodes if n.out.endswith(".narrow")] == [("identity", "n")]
    assert next(n for n in simple.nodes if n.out == "f").ins[0] == "n.narrow"
    assert next(n for n in simple.nodes if n.out == "s").ins == ("n", "f")
    data = samples(front)
    g = lowered(front, data)
    by_name = {v.name: v.type for v in g.values()}
    assert {n: by_name[n].fmt for n in ("x", "n", "f", "s", "n.narrow", "m")} == {
        **dict.fromkeys("xnfs", INT16), "n.narrow": INT8, "m": INT8
    }  # fmt: skip
    assert all(by_name[n].zero_point == 0 for n in "xnfs")


def test_scores_with_a_bias_before_softmax_are_wide():
    front = net("matmul s x y", "add b s table", "softmax p b", "matmul c p y", inputs=["x", "y"], params=["table"])
    assert find_roles(front) == Roles(names("s b"), names("x p"), names("p"))
    data = samples(front)
    types = {v.name: v.type for v in lowered(front, data).values()}
    assert (types["s"].fmt, types["b"].fmt, types["p"].fmt) == (INT16, INT16, UINT8)
    assert (types["x"].zero_point, types["y"].zero_point == 0) == (0, False)


def test_roles_flow_through_movement_and_concat_not_through_parameters():
    front = net("concat c token x", "transpose t c", "slice u t", "reshape v u", "layer_norm n v", params=["token"])
    assert find_roles(front).wide == names("c t u v x")
    front = net("transpose t x", "concat c t y", "matmul m c y", inputs=["x", "y"])
    assert find_roles(front).symmetric == names("x y t c")
    front = net("relu r x", "mean m r", "layer_norm n m")
    assert find_roles(front).wide == names("m")  # a function or a mean has a type of its own


def test_a_pooled_first_operand_keeps_the_type_of_what_is_pooled():
    """A maximum is a code of its input: the input must have zero point 0 then."""
    nodes = [
        FrontNode("max_pool1d", ("x",), "p", {"kernel": [2], "stride": [2], "padding": [[0, 0]]}),
        FrontNode("matmul", ("p", "y"), "m"),
    ]
    front = FrontGraph("pool", {"x": (4, 8), "y": (4, 3)}, {}, nodes, ["m"])
    assert find_roles(front).symmetric == names("p x")
    types = {v.name: v.type.zero_point for v in lowered(front, samples(front)).values()}
    assert (types["x"], types["p"], types["y"] == 0) == (0, 0, False)


def test_a_first_operand_marked_with_a_zero_point_is_refused():
    front = net("matmul m x y", inputs=["x", "y"])
    data = samples(front)
    front.marks = {"x": Mark(0.1, 3)}
    assert_refused(lambda: lowered(front, data), "zero_point 3", "first operand")


def test_an_encoder():
    roles = find_roles(encoder_net(0))
    assert roles.wide == names("joined x sum o sum1 down sum2 first flat scores")
    assert roles.symmetric == names("q q.split q.heads p")
    assert roles.probabilities == names("p")


SHAPE = ("N", 2, 7)
TYPES = {  # recipe, range seen, mark -> format, step
    "int8": ({}, (0.0, 1.0), None, UINT8, 2.0**-8),
    "int16": ({"activations": "int16"}, (0.0, 1.0), None, UINT16, 2.0**-16),
    "int24 is 16 bits": ({"activations": "int24"}, (0.0, 1.0), None, UINT16, 2.0**-16),
    "int32 is 16 bits": ({"activations": "int32"}, (0.0, 1.0), None, UINT16, 2.0**-16),
    "int4": ({"activations": "int4"}, (0.0, 1.0), None, UINT4, 1 / 15),
    "int4 of small ones": ({"activations": "int4"}, (0.0, 0.3), None, UINT4, 0.3 / 15),
    "uint4": ({"activations": "uint4"}, (0.0, 1.0), None, UINT4, 1 / 15),
    "uint1": ({"activations": "uint1"}, (0.0, 1.0), None, UINT1, 1 / 7),
    "pow2": ({"contract": "pow2"}, (0.0, 1.0), None, UINT8, 2.0**-8),
    "pow2 int4": ({"contract": "pow2", "activations": "int4"}, (0.0, 1.0), None, UINT4, 2.0**-3),
    "pow2 uint1": ({"power_of_two": True, "activations": "uint1"}, (0.0, 1.0), None, UINT1, 2.0**-3),
    "mark": ({}, (0.0, 1.0), Mark(0.003), UINT8, 0.003),
    "mark over 1 / keys": ({}, (0.0, 1.0), Mark(0.5), UINT8, 1 / 7),
    "mark over 1 / keys, pow2": ({"contract": "pow2"}, (0.0, 1.0), Mark(0.5), UINT8, 2.0**-3),
    "mark int4": ({"activations": "int4"}, None, Mark(0.9), UINT4, 1 / 7),
}


@pytest.mark.parametrize("name", TYPES)
def test_probability_types(name):
    settings, seen, mark, fmt, step = TYPES[name]
    t = probability_type(SHAPE, Recipe(**settings), seen, mark)
    assert (t.shape, t.fmt, t.zero_point) == (SHAPE, fmt, 0)
    assert t.scale == pytest.approx(step, rel=1e-12)
    assert t.scale * 7 <= 1


def test_more_keys_than_a_byte_can_hold_take_16_bits():
    for keys, fmt in ((256, UINT8), (257, UINT16)):
        assert probability_type(("N", keys), Recipe(), (0.0, 1.0), None).fmt == fmt
        assert probability_type(("N", keys), Recipe(contract="pow2"), None, None).scale * keys <= 1


def test_a_residual_has_headroom_only_where_it_is_wide():
    roles = Roles(names("a"), names("b"), names(""))
    for residual, scale in (("int16", 6 / 32767), ("int8", 3 / 127), ("int32", 6 / (2**31 - 1))):
        t = roles.type("a", ("N", 2), Recipe(residual=residual), (-1.0, 3.0))
        assert (t.fmt.name, t.scale, t.zero_point) == (residual, pytest.approx(scale), 0)
    assert roles.type("b", ("N", 2), Recipe(), (-1.0, 3.0)).zero_point == 0
    assert roles.type("c", ("N", 2), Recipe(), (-1.0, 3.0)).zero_point == -64
    assert roles.type("a", ("N", 2), Recipe(), None, Mark(0.25)).scale == 0.25
    assert_refused(lambda: roles.type("c", ("N", 2), Recipe(), None), "'c'", "no calibration range")
