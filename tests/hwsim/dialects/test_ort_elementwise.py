"""Sums and products: all 65,536 pairs of codes for many types, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.runners.c import STRICT, compile_and_run, compilers
from hwsim.dialects import ort_elementwise
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.qtensor import BATCH, QType
from hwsim.simulation import simulate
from tests.backends import check_engines
from tests.compare import assert_same
from tests.oracles.ort_ops import qlinear

from .one_ort_op import DTYPES, Build, codes, compare, graph_of, kind, refuses

OPERATORS = {"add": "QLinearAdd", "mul": "QLinearMul"}
NAMES = tuple(OPERATORS)


def builder(name: str) -> Build:
    def build(g: Graph, x: list[Value], out: QType) -> Value:
        make = ort_elementwise.add if name == "add" else ort_elementwise.mul
        return make(g, x[0], x[-1], out, name="y")

    return build


def rounds_products() -> bool:
    """Whether this processor has no fused multiply-add: QLinearAdd then rounds products as well, and has other bits."""
    rng, plainly, fused = np.random.default_rng(0), 0, 0
    a, b = (c.astype(np.uint8).reshape(1, -1) for c in np.meshgrid(codes("uint8"), codes("uint8")))
    for _ in range(10):
        kinds = [kind(rng, "uint8") for _ in range(3)]
        y = qlinear("QLinearAdd", [(a, kinds[0]), (b, kinds[1])], kinds[2], {})
        (sa, za), (sb, zb), (sy, zy) = kinds
        r, q = (np.float32(s) / np.float32(sy) for s in (sa, sb))
        rest = np.float32(zy) - (np.float32(za) * r + np.float32(zb) * q)
        sums = a.astype(np.float32) * r + (b.astype(np.float32) * q + rest)
        g = graph_of(builder("add"), [(a, kinds[0]), (b, kinds[1])], kinds[2])
        plainly += int((np.clip(np.rint(sums), 0, 255) != y).sum())
        fused += int((simulate(g, {"x0": a, "x1": b})["y"] != y).sum())
    return plainly < fused


def skip_where_products_round(name: str) -> None:
    if name == "add" and rounds_products():
        pytest.skip("this processor rounds products of QLinearAdd; ours are the bits of a fused multiply-add")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_all_pairs_as_onnxruntime_has_them(name: str, dtype: str) -> None:
    skip_where_products_round(name)
    rng, outputs = np.random.default_rng(3), 0
    a, b = (np.ascontiguousarray(c).reshape(1, -1) for c in np.meshgrid(codes(dtype), codes(dtype)))
    for i in range(30):
        tail = 0 if i % 3 else 773  # no multiple of a vector register
        parts = [(x[:, tail:], kind(rng, dtype)) for x in (a, b)]
        out = kind(rng, dtype)
        outputs += compare(qlinear(OPERATORS[name], parts, out, {}), builder(name), parts, out)
    assert outputs >= 100_000


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_constants_that_broadcast(name: str, dtype: str) -> None:
    """ONNX Runtime has code of its own where one side is a single number."""
    skip_where_products_round(name)
    rng, outputs = np.random.default_rng(4), 0
    for i in range(120):
        a = rng.choice(codes(dtype), (4, 3, 5, 31))
        shape = [(1,), (31,), (3, 1, 1), (5, 1), (1, 1, 1), (3, 5, 31)][i % 6]
        parts, out = [(a, kind(rng, dtype)), (rng.choice(codes(dtype), shape), kind(rng, dtype))], kind(rng, dtype)
        constant = 1
        if i % 4 == 3:
            parts, constant = parts[::-1], 0
        want = qlinear(OPERATORS[name], parts, out, {}, fed=[1 - constant])
        outputs += compare(want, builder(name), parts, out, [constant])
    assert outputs >= 100_000


@pytest.mark.parametrize("name", NAMES)
def test_one_value_twice(name: str) -> None:
    skip_where_products_round(name)
    rng, x = np.random.default_rng(5), codes("uint8").reshape(1, -1)
    for _ in range(100):
        t, out = kind(rng, "uint8"), kind(rng, "uint8")
        compare(qlinear(OPERATORS[name], [(x, t), (x, t)], out, {}), builder(name), [(x, t)], out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_every_engine_of_ours(name: str, dtype: str) -> None:
    rng = np.random.default_rng(6)
    a, b = (np.ascontiguousarray(c[::5, ::3]) for c in np.meshgrid(codes(dtype), codes(dtype)))
    row = b[0].copy()
    for _ in range(3):
        types, out = [kind(rng, dtype), kind(rng, dtype)], kind(rng, dtype)
        pairs = graph_of(builder(name), [(a, types[0]), (b, types[1])], out)
        check_engines(pairs, {"x0": a, "x1": b})
        check_engines(graph_of(builder(name), [(a, types[0]), (row, types[1])], out, [1]), {"x0": a})


@pytest.mark.parametrize("name", NAMES)
def test_a_clamp_limits_codes(name: str) -> None:
    x = codes("int8").reshape(1, -1)
    types, make = [(0.05, 3), (0.02, -128)], getattr(ort_elementwise, name)
    whole = graph_of(builder(name), [(x, types[0]), (x, types[1])], (0.04, -5))
    part = graph_of(
        lambda g, v, out: make(g, *v, out, lo=-5, hi=60, name="y"), [(x, types[0]), (x, types[1])], (0.04, -5)
    )
    given = {"x0": x, "x1": x}
    assert (simulate(part, given)["y"] == np.clip(simulate(whole, given)["y"], -5, 60)).all()


def test_what_onnxruntime_does_not_take_is_refused() -> None:
    g = Graph()
    a, b = g.input("a", QType((BATCH, 3), INT8, 0.1)), g.input("b", QType((BATCH, 3), INT16, 0.1))
    refuses("add 'y': int8, int16, int8; ONNX Runtime", lambda: ort_elementwise.add(g, a, b, a.type, name="y"))
    refuses("mul 'y': int16, int16, int16; ONNX Runtime", lambda: ort_elementwise.mul(g, b, b, b.type, name="y"))
    far = g.input("far", QType((BATCH, 3), INT8, 0.07 * 2.0**-33, 7))
    refuses("float64 does not hold sums", lambda: ort_elementwise.add(g, a, far, a.type, name="y"))


@pytest.mark.parametrize("compiler", compilers())
@pytest.mark.parametrize("name", NAMES)
def test_a_compiler_that_fuses_changes_nothing(name: str, compiler: str) -> None:
    """What -march=native and -ffp-contract=fast allow."""
    a, b = (np.ascontiguousarray(c) for c in np.meshgrid(codes("int8"), codes("int8")))
    flags = ("-O3", *STRICT, "-ffp-contract=fast", "-march=native")
    near = [(0.0913730040192604, 3), (0.05980011075735092, -9)], (0.057621587067842484, -118)  # products next to ties
    for types, out in (near, ([(0.05, 127), (0.3, -128)], (0.011, 1))):
        g, given = graph_of(builder(name), [(a, types[0]), (b, types[1])], out), {"x0": a, "x1": b}
        got = compile_and_run(g, given, compilers()[compiler], flags, trace=False)["y"]
        assert_same(simulate(g, given)["y"], got)
