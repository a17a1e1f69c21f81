from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwsim import INT8, UINT8, Graph, QTensor, QType
from hwsim.costs.mapping import mapped
from hwsim.costs.narrowing import narrowed
from hwsim.ops import MatMul
from hwsim.qtensor import BATCH

from .small import hardware, two_nodes


def test_accumulators_as_wide_as_sums_get():
    """4 products of -128..127 with 1 reach -512..508: ten bits."""
    h = hardware()
    other = replace(h.arrays[0], name="idle")
    small = narrowed(two_nodes(), replace(h, arrays=(*h.arrays, other)))
    assert [a.accumulator for a in small.arrays] == [10, 32]
    assert small.name == "small, narrow accumulators"
    assert mapped(two_nodes(), small)[0].uses == mapped(two_nodes(), h)[0].uses


def test_sums_that_are_never_below_zero_keep_their_sign_bit():
    """255 * 1 takes eight bits without a sign, but accumulators are signed."""
    g = Graph("unsigned")
    w = g.constant("w", QTensor(QType((1, 1), INT8), np.ones((1, 1), np.int8)))
    g.output(g.add(MatMul(), g.input("x", QType((BATCH, 1), UINT8)), w, name="y"))
    h = hardware()
    wide = replace(h, arrays=(replace(h.arrays[0], a="int9"),))
    small = narrowed(g, wide)
    assert small.arrays[0].accumulator == 9
    assert mapped(g, small)[0].macs == 1
