from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen import emit_c, emit_onnx
from codegen.views.names import RESERVED, identifiers
from hwsim.contracts import Dyadic16
from hwsim.formats import INT8, INT32
from hwsim.graph import Graph
from hwsim.ops import Add, MatMul, Requant
from hwsim.qtensor import BATCH, QType, quantize
from tests.backends import check_engines

HOSTILE = [
    "int",
    "class",
    'a"b',
    "line\nbreak",
    "*/ #error injected",
    "// comment \\",
    "??/",
    "ünïcödé ★",
    "x" * 10_000,
    "",
    " ",
    "9lives",
    "_Reserved",
    "hw_saturate",
    "main",
    "{{ 7 * 7 }}",
    "%s%n",
    "trace",
    "a.b/c:d",
    "A.B/C:D",
]


@given(st.lists(st.text(max_size=80), max_size=12))
def test_identifiers_are_valid_and_unique(names: list[str]) -> None:
    got = identifiers(names)
    assert len({g.lower() for g in got}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,60}", g, re.ASCII) and g not in RESERVED for g in got)


def hostile_graph(name: str) -> Graph:
    """The name everywhere: graph, input, constant, values, output; each made unique by a space."""
    g = Graph(name or "model")
    x = g.input(name or "x", QType((BATCH, 3), INT8, 0.5))
    w = g.constant(f"{name} w", quantize(np.arange(-6, 6).reshape(3, 4), INT8, scale=1.0))
    acc = g.add(MatMul(), x, w, name=f"{name} acc")
    y = g.add(Requant.to(QType((), INT8, 1.0), acc.type, Dyadic16), acc, name=f"{name} y")
    g.output(y, g.add(Add(fmt=INT32), acc, acc, name=f"{name} sum"))
    return g


@pytest.mark.parametrize("name", HOSTILE, ids=lambda n: ascii(n)[:20])
def test_hostile_names_on_every_engine(name: str) -> None:
    g = hostile_graph(name)
    x = np.random.default_rng(0).integers(-128, 128, (4, 3)).astype(np.int8)
    check_engines(g, {g.inputs[0].name: x})
    assert [o.name for o in emit_onnx(g).graph.output] == [v.name for v in g.outputs]


@pytest.mark.parametrize("name", [n for n in HOSTILE if re.search(r"[^A-Za-z0-9_ ]", n)], ids=lambda n: ascii(n)[:20])
def test_nothing_of_a_hostile_name_reaches_the_text(name: str) -> None:
    texts = emit_c(hostile_graph(name)) | emit_c(hostile_graph(name), trace=True)
    plain = emit_c(hostile_graph("plain"))
    assert not any(name in t for t in texts.values())
    assert sum(t.count("*/") for t in texts.values()) >= sum(t.count("*/") for t in plain.values())
    assert all(t.isascii() for t in texts.values())


def test_names_that_meet_after_cleaning_stay_apart() -> None:
    g = Graph("m")
    a, b, c = (g.input(n, QType((BATCH, 2), INT8)) for n in ("a.b", "a_b", "A-B"))
    g.output(g.add(Add(), g.add(Add(), a, b), c, name="a b"))
    rng = np.random.default_rng(0)
    check_engines(g, {n: rng.integers(-128, 128, (3, 2)).astype(np.int8) for n in ("a.b", "a_b", "A-B")})
