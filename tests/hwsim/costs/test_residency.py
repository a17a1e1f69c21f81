from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwsim import INT8, INT16, INT32, Graph, QTensor, QType
from hwsim.contracts import Dyadic16
from hwsim.costs.hardware import MatrixUnit, Sram, VectorUnit
from hwsim.costs.mapping import Moved, mapped
from hwsim.costs.residency import chain_of, on_chip, sources, streamed
from hwsim.ops import Add, Concat, Lut, MatMul, Requant, Transpose
from hwsim.qtensor import BATCH

from .small import hardware, two_nodes

ROW = QType((BATCH, 8, 8), INT8)
TABLE = Lut(table=(1,) * 256)


def floats():
    mac = VectorUnit(family="float_mac", lanes=1, parameters={"format": "fp32", "acc": "fp32"})
    pwl = VectorUnit(family="float_pwl", lanes=1, parameters={"format": "fp32", "entries": 8})
    array = MatrixUnit(name="f", rows=2, columns=2, floating="fp32")
    return hardware(arrays=(array,), vector={"float_mac": mac, "float_pwl": pwl}, numbers="float")


def joined():
    """x through two tables, side by side, turned, and through a third."""
    g = Graph("joined")
    x = g.input("x", ROW)
    a, b = g.add(TABLE, x, name="a"), g.add(TABLE, x, name="b")
    t = g.add(Transpose(perm=(0, 2, 1)), g.add(Concat(axis=1), a, b, name="ab"), name="t")
    g.output(g.add(TABLE, t, name="y"))
    return g


def test_what_movement_makes_is_where_its_sources_are():
    g, h = joined(), hardware()
    assert sources(g, h) == {"ab": ("a", "b"), "t": ("a", "b")}
    assert on_chip(g, h) == {"a", "b", "ab", "t"}
    # 64 bytes hold one of both, so what is made of them is not on the chip as a whole
    assert on_chip(g, replace(h, activations=Sram(bytes=64, port_bits=64))) == {"a"}


def test_accumulators_stream_into_the_one_node_that_rounds_them():
    assert set(streamed(two_nodes())) == {"y.acc"}
    g = two_nodes()
    g.output(g.known["y.acc"])
    assert streamed(g) == {}
    h = two_nodes()
    h.output(h.add(Add(), h.known["y.acc"], h.known["y.acc"], name="twice"))
    assert streamed(h) == {}


def biased(bias):
    """``requant(x @ w + bias)``, or plus a value where `bias` is false."""
    g = Graph("biased")
    x = g.input("x", QType((BATCH, 4), INT8))
    acc = g.add(
        MatMul(acc=INT32), x, g.constant("w", QTensor(QType((4, 2), INT8), np.ones((4, 2), np.int8))), name="acc"
    )
    value = QType((2,), INT32) if bias else QType((BATCH, 2), INT16)
    b = g.constant("b", QTensor(value, np.full(2, 7, np.int32))) if bias else g.input("b", value)
    total = g.add(Add(fmt=INT32), acc, b, name="sum")
    g.output(g.add(Requant(contract=Dyadic16.of(0.5), fmt=INT8, scale=2.0), total, name="y"))
    return g


def test_a_bias_is_added_on_the_way():
    g = biased(bias=True)
    assert [n.outs[0].name for n in chain_of(streamed(g), "acc")] == ["sum", "y"]
    works = {w.name: w for w in mapped(g, hardware())}
    assert works["sum"].moved == Moved(dram_read=64, weights=128)  # two constants of 32 bits, in and out of SRAM
    assert works["y"].moved == Moved()
    assert works["acc"].moved.dram_write == 16  # what leaves is the result, two codes
    assert [u.part for u in works["acc"].beside] == ["add", "requant"]
    assert streamed(biased(bias=False)) == {}


def product(second):
    """A table of x, times itself turned where `second`, or times weights; then a table of the rounded result."""
    g = Graph("product")
    x = g.add(TABLE, g.input("x", ROW), name="v")
    turned = g.add(Transpose(perm=(0, 2, 1)), x, name="t")
    w = turned if second else g.constant("w", QTensor(QType((8, 8), INT8), np.ones((8, 8), np.int8)))
    acc = g.add(MatMul(), x, w, name="r.acc")
    g.output(g.add(TABLE, g.add(Requant(contract=Dyadic16.of(0.125), scale=8.0), acc, name="r"), name="y"))
    return g


def test_memories_of_products_must_hold_their_values():
    small = Sram(bytes=32, port_bits=64)
    h = hardware()
    assert on_chip(product(False), h) == {"v", "t", "r"}
    assert on_chip(product(False), replace(h, outputs=small)) == {"v", "t"}
    assert on_chip(product(False), replace(h, weights=small)) == {"v", "t", "r"}
    assert on_chip(product(True), replace(h, weights=small)) == {"r"}


def test_floats_that_are_not_rounded_are_the_same_value():
    g = Graph("rounded")
    v = g.add(TABLE, g.input("x", ROW), name="v")
    wide = g.add(Requant(contract=Dyadic16.of(2.0), fmt=INT16, scale=0.5), v, name="wide")
    g.output(g.add(Add(), wide, wide, name="y"))
    assert sources(g, floats()) == {"wide": ("v",)}
    assert sources(g, hardware()) == {}
    # twice 64 values of 4 bytes would not fit
    tight = replace(floats(), activations=Sram(bytes=300, port_bits=64))
    assert on_chip(g, tight) == {"v", "wide"}


def test_rounded_results_of_a_product_stay_under_their_own_name():
    assert on_chip(product(False), floats()) == {"v", "t", "r"}
