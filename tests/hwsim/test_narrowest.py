"""Needed bits are tight: the witness reaches the printed sum, and an accumulator of one bit less loses it."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from itertools import product

import numpy as np
import pytest

from hwsim import (
    FP4_E2M1,
    INT4,
    INT8,
    INT16,
    INT32,
    INT64,
    UINT4,
    UINT8,
    Dyadic16,
    Graph,
    IntFormat,
    QTensor,
    QType,
    Recipe,
    narrowest_accumulator,
    simulate,
)
from hwsim.app.shipped import EXAMPLES
from hwsim.front import load_front
from hwsim.ops import Add, Conv2d, Datapath, MatMul, Requant
from hwsim.quantization import quantize_model
from tests.backends import check_engines
from tests.compare import assert_one_line
from tests.oracles.accumulators import accumulate
from tests.oracles.one_op import tensor


def alone(graph, node, bits, overflow="saturate"):
    """The one node with an accumulator of `bits` bits, its constants kept, its input free."""
    g = Graph("alone")
    x = g.input("x", node.ins[0].type)
    constants = [g.constant(v.name, graph.constants[v.name]) for v in node.ins[1:]]
    path = replace(node.op.datapath, overflow=overflow)
    g.output(g.add(replace(node.op, acc=IntFormat(f"int{bits}", bits), datapath=path), x, *constants, name="y"))
    return g


def reached(graph, node, found, bits):
    """What the witness makes of the element that it is about."""
    batch = found.witness[None] if node.ins[0].type.batched else found.witness
    y = simulate(alone(graph, node, bits), {"x": batch})["y"]
    return int((y[0] if node.outs[0].type.batched else y)[found.at])


def shipped(name):
    """The INT8 graph of a shipped model, and some of its test inputs."""
    example, folder = EXAMPLES[name], files("hwsim.app.examples")
    front = load_front(str(folder / f"{name}.front.npz"))
    (source,) = front.inputs
    with np.load(str(folder / example.data)) as data:
        batch, test = ({source: example.reals(data[k][:n])} for k, n in (("calibration", 32), (example.test, 3)))
    return quantize_model(front, [batch], Recipe(observer=example.observer)).graph, test


def weighted(graph):
    """Its nodes that accumulate over weights."""
    return [n for n in graph.nodes if isinstance(n.op, MatMul | Conv2d) and n.ins[1].name in graph.constants]


@pytest.mark.parametrize("name", EXAMPLES)
def test_shipped_models(name):
    """Every matmul and conv2d with weights: the sum fits the printed bits, and saturates in one less."""
    g, _ = shipped(name)
    for node in weighted(g):
        found = narrowest_accumulator(g, node.outs[0].name)
        assert found.declared == 32
        assert found.bits == max(found.per_channel) == found.per_channel[found.channel]
        assert reached(g, node, found, found.bits) == found.sum
        limit = (1 << (found.bits - 2)) - (found.sum > 0)
        assert reached(g, node, found, found.bits - 1) == (limit if found.sum > 0 else -limit) != found.sum
    assert len(weighted(g)) >= 3


NARROW = [
    ("mlp", {"overflow": "saturate"}),
    ("ds-cnn", {"overflow": "saturate", "tree": 4, "signs": "magnitude"}),
    ("ds-cnn", {"overflow": "wrap"}),
]


@pytest.mark.parametrize(("name", "path"), NARROW, ids=str)
def test_shipped_models_with_accumulators_too_narrow_on_every_engine(name, path):
    """Five bits below what is proven, or what the bias takes: engines agree on every value, overflows included."""
    g, data = shipped(name)
    narrow, values, changed = Graph(g.name), {}, 0
    values |= {v.name: narrow.input(v.name, v.type) for v in g.inputs}
    values |= {n: narrow.constant(n, t) for n, t in g.constants.items()}
    for node in g.nodes:
        op = node.op
        if node in weighted(g):
            bits = max(narrowest_accumulator(g, node.outs[0].name).bits - 5, g.reach[node.ins[2].name].bits)
            op, changed = replace(op, acc=IntFormat(f"int{bits}", bits), datapath=Datapath(**path)), changed + 1
        outs = narrow.add_all(op, *(values[v.name] for v in node.ins), names=[v.name for v in node.outs])
        values |= {v.name: v for v in outs}
    narrow.output(*(values[v.name] for v in g.outputs))
    plain, got = (simulate(graph, data, trace=True) for graph in (g, narrow))
    assert changed >= 3
    assert any((plain[n.outs[0].name] != got[n.outs[0].name]).any() for n in weighted(g)), "nothing overflows here"
    check_engines(narrow, data)


def layer(x_type, op, weights, bias, lo=None, hi=None):
    """One node behind a requantization that bounds its input to lo..hi."""
    g = Graph("layer")
    x = g.input("x", x_type)
    if lo is not None:
        contract = Dyadic16.of(1.0)
        x = g.add(Requant(contract=contract, fmt=x_type.fmt, scale=1.0, zero_point=x_type.zero_point, lo=lo, hi=hi), x)
    constants = [g.constant("w", weights)]
    constants += [g.constant("b", bias)] if bias is not None else []
    g.output(g.add(op, x, *constants, name="y"))
    return g


CASES = {  # type of the input, lo, hi: signed, unsigned, 0 not in range on either side
    "signed": (QType(("N", 3), INT4), None, None),
    "unsigned": (QType(("N", 3), UINT4), None, None),
    "above 0": (QType(("N", 3), UINT4), 3, 6),
    "below 0": (QType(("N", 3), INT4), -7, -2),
    "one number": (QType(("N", 3), INT4), 5, 5),
}


@pytest.mark.parametrize("path", [{}, {"drop": 2}, {"tree": 2}, {"drop": 1, "tree": 2, "signs": "magnitude"}], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_against_all_inputs(name, path):
    """Every input of a small layer, every step of every channel, in Python integers."""
    t, lo, hi = CASES[name]
    inputs = range(lo if lo is not None else t.fmt.min_int, (hi if hi is not None else t.fmt.max_int) + 1)
    choices = {"overflow": "saturate", "drop": 0, "tree": 1, "signs": "twos"} | path
    for seed in range(12):
        rng = np.random.default_rng(seed)
        weights, start = rng.integers(-8, 8, (3, 2)), rng.integers(-30, 30, 2)
        bias = tensor(start, INT16, float(2 ** choices["drop"]))
        g = layer(t, MatMul(acc=INT32, datapath=Datapath(**path)), tensor(weights, INT4), bias, lo, hi)
        found = narrowest_accumulator(g, "y")
        steps = {
            (c, s)
            for x in product(inputs, repeat=3)
            for c in range(2)
            for s in accumulate(
                [a * int(w) for a, w in zip(x, weights[:, c], strict=True)], int(start[c]), 60, **choices
            )
        }
        for c, bits in enumerate(found.per_channel):
            ends = [s for channel, s in steps if channel == c]
            fewest = max(1 + (abs(s) if choices["signs"] == "magnitude" or s >= 0 else ~s).bit_length() for s in ends)
            assert bits == fewest
        assert max(found.per_channel) == found.bits
        assert (found.channel, found.sum) in steps
        products = [int(a) * int(w) for a, w in zip(found.witness, weights[:, found.channel], strict=True)]
        assert found.sum in accumulate(products, int(start[found.channel]), 60, **choices)
        assert set(found.witness.tolist()) <= set(inputs)


WINDOWS = {  # image, zero point, lo, hi, fields
    "inside": ((4, 4, 1), 0, None, None, {"kernel": (2, 2), "padding": ((1, 0), (0, 1))}),
    "always at the border": ((2, 2, 1), 3, None, None, {"kernel": (3, 3), "padding": ((1, 1), (1, 1))}),
    "border out of reach": ((3, 3, 1), -8, 2, 5, {"kernel": (2, 2), "padding": ((1, 1), (1, 1)), "stride": (2, 2)}),
    "groups": ((3, 3, 4), -8, 2, 5, {"kernel": (2, 1), "padding": ((1, 0), (0, 0)), "groups": 2}),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_and_what_the_border_brings_in(name):
    """The witness reaches the sum where it says, and no image of many random and extreme ones passes the bound."""
    image, zero, lo, hi, fields = WINDOWS[name]
    for seed in range(8):
        rng = np.random.default_rng(seed)
        op = Conv2d(**fields, acc=INT32)
        w = rng.integers(-8, 8, (2, *op.kernel, image[2] // op.groups))
        start = rng.integers(-30, 30, 2)
        t = QType(("N", *image), INT4, 1.0, zero)
        g = layer(t, op, tensor(w, INT4), tensor(start, INT16), lo, hi)
        found = narrowest_accumulator(g, "y")
        padded = op.window.padded(found.witness[None].astype(np.int64), zero)
        patches, (i, j, c) = op.window.patches(padded), found.at
        cin = image[2] // op.groups
        first = c // (2 // op.groups) * cin
        products = (patches[0, i, j, :, :, first : first + cin] * w[c]).ravel().tolist()
        states = accumulate(products, int(start[c]), 60, overflow="saturate", drop=0, tree=1, signs="twos")
        assert found.sum in states
        ends = [-8, 7] if lo is None else [lo, hi]
        x = np.where(rng.random((3000, *image)) < 0.9, rng.choice(ends, (3000, *image)), ends[0])
        y = simulate(g, {"x": x})["y"]
        assert max(int(y.max()).bit_length(), (~int(y.min())).bit_length()) < found.bits


def test_a_float_format_and_a_witness_in_codes():
    w = tensor(np.array([[5, 1], [13, 9]]), FP4_E2M1)
    g = layer(QType(("N", 2), FP4_E2M1), MatMul(), w, None)
    found = narrowest_accumulator(g, "y")
    assert (found.sum, found.bits, found.channel) == (12 * 6 + 12 * 6, 9, 0)
    assert found.witness.dtype == np.uint8
    assert simulate(g, {"x": found.witness[None]})["y"][0, 0] == found.sum


def test_what_has_no_narrowest_accumulator():
    g = Graph("g")
    x, y = g.input("x", QType(("N", 2, 2), INT8)), g.input("y", QType(("N", 2, 2), INT8))
    g.add(MatMul(), x, y, name="product")
    g.add(Add(fmt=INT64), x, x, name="sum")
    for value, culprits in (
        ("product", ("matmul", "constants")),
        ("sum", ("'sum'", "add", "matmul or conv2d")),
        ("x", ("'x'", "no computed value")),
        ("nobody", ("'nobody'", "no computed value")),
    ):
        with pytest.raises(ValueError, match="matmul") as e:
            narrowest_accumulator(g, value)
        assert_one_line(e.value, *culprits)


def test_an_unsigned_accumulator():
    w = QTensor(QType((2, 1), UINT8), np.array([[255], [1]], np.uint8))
    g = layer(QType(("N", 2), UINT8), MatMul(acc=IntFormat("uint20", 20, signed=False)), w, None)
    assert narrowest_accumulator(g, "y").bits == (255 * 256).bit_length()
