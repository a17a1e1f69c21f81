"""Blocks on fitted tables: equal to fractions of the published reals, on every engine."""

import numpy as np
import pytest

from algos.gqa_lut import fit, tables
from hwsim import CONTRACTS, INT8, INT16, INT48, UINT8, UINT16, UINT32, Graph, QType, simulate
from hwsim.blocks import LayerNorm, LogSoftmax, RMSNorm, fitted, reciprocal, rsqrt
from hwsim.rounding import ROUNDINGS
from hwsim.tables import Stored, Table
from tests.backends import check_engines
from tests.compare import all_codes, assert_refused, assert_same
from tests.oracles.blocks import SoftmaxOracle, normalized, rescaled
from tests.oracles.exact import ROUND
from tests.oracles.tables import finest, table_code, table_value

from . import norms
from .test_reciprocal import edges
from .test_softmax import BYTE, WORD, graph, scores

TABLES = tables()
DOCUMENTS = {name: table.to_json() for name, table in TABLES.items()}
GELU = TABLES["gelu"]


def one(table, n, out, fmt=INT8, **settings):
    g = Graph("one")
    g.output(fitted(g, g.input("x", QType(("N", 1), fmt, 2.0**-n)), table, out, name="y", **settings))
    return g


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("name", ["gelu", "tanh"])
def test_every_code_at_a_power_of_two(name, rounding):
    codes, out = all_codes(INT8), QType((), INT8, 2.0**-5, 3)
    for n in (0, 3, 6):
        want = [ROUND[rounding](table_value(DOCUMENTS[name], n, int(c)) * 2**5) + 3 for c in codes]
        g = one(TABLES[name], n, out, rounding=rounding)
        assert len(g.nodes) == 1
        check_engines(g, {"x": codes[:, None]}, {"y": np.clip(want, -128, 127)[:, None]}, against=("numba", "ort"))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_every_code_at_any_scale(contract):
    codes, out, n = all_codes(INT8), QType((), UINT8, 0.03, 11), 4
    exact = [table_value(DOCUMENTS["gelu"], n, int(c)) * 2 ** (GELU.fraction + n) for c in codes]
    ratio, rule = 2.0 ** -(GELU.fraction + n) / out.scale, contract.name.replace("pow2", "dyadic16")
    want = [min(max(rescaled(int(v), ratio, rule, "half_up") + 11, 0), 255) for v in exact]
    check_engines(one(GELU, n, out, contract=contract), {"x": codes[:, None]}, {"y": np.array(want)[:, None]})


@pytest.mark.parametrize(
    ("fmt", "block"),
    [(UINT16, reciprocal), (UINT32, rsqrt), (INT48, reciprocal)],
    ids=lambda p: getattr(p, "name", "") or p.__name__,
)
def test_the_whole_range_from_one_interval(fmt, block):
    document = DOCUMENTS[block.__name__]
    n, x = finest(document), edges(fmt.max_int) if fmt != UINT16 else np.arange(1 << 16)
    g = Graph("whole")
    g.output(*block(g, g.input("x", QType(("N", 1), fmt)), table=TABLES[block.__name__], name="r"))
    r, e = (v.name for v in g.outputs)
    rows = []
    for v in x.tolist():
        m, k = normalized(v, n + 1)
        rows.append(
            (table_code(document, n, m << k % 2, 16), k // 2) if block is rsqrt else (table_code(document, n, m, 16), k)
        )
    want = np.array(rows)
    check_engines(g, {"x": x[:, None].astype(fmt.dtype)}, {r: want[:, :1], e: want[:, 1:]})
    real = np.maximum(x, 1).astype(float)
    exact = 1 / real if block is reciprocal else 1 / np.sqrt(real)
    error = np.ldexp(want[:, 0].astype(float), -16 - want[:, 1]) / exact - 1
    assert np.abs(error).max() < 2**-6.5  # a step of the mantissa and the fit: one percent


@pytest.mark.parametrize(
    ("out", "contract"), [(BYTE, CONTRACTS[0]), (WORD, CONTRACTS[1]), (WORD, CONTRACTS[4])], ids=str
)
def test_softmax(out, contract):
    x = scores(INT16, 9)
    want = SoftmaxOracle(
        lsb=0.0011, reach=(-32768, 32767), out_bits=out.fmt.bits, out_scale=out.scale, contract=contract.name,
        tables=DOCUMENTS,
    )  # fmt: skip
    g = graph(INT16, 9, 0.0011, out=out, contract=contract, tables=TABLES)
    check_engines(g, {"x": x}, {"p": np.array([want([int(v) for v in row]) for row in x])})


@pytest.mark.parametrize("block", [LayerNorm(), RMSNorm()], ids=["layer", "rms"])
def test_norms(block):
    x, out = norms.rows(INT16, 16), norms.OUT
    want = norms.NormOracle(
        lsb=2.0**-8, out_scale=out.scale, out_zero=3, mean=isinstance(block, LayerNorm), tables=DOCUMENTS
    )
    g = norms.graph(block, tables=TABLES)
    check_engines(g, {"x": x}, {"y": np.array([want(row) for row in x.tolist()])})


def test_a_published_table_of_reciprocals_serves_the_whole_range():
    table = fit("reciprocal", method="paper", seed=42).made
    x = scores(INT8, 8)
    want = SoftmaxOracle(lsb=0.1, tables={"reciprocal": table.to_json()})
    check_engines(
        graph(tables={"reciprocal": table}), {"x": x}, {"p": np.array([want([int(v) for v in r]) for r in x])}
    )


def test_exp_at_zero_is_one_and_no_row_is_empty():
    p = simulate(graph(n=3, tables=TABLES), {"x": np.array([[127, -128, -128], [0, 0, 0]], np.int8)})["p"]
    assert_same([[255, 0, 0], [85, 85, 85]], p)
    lines = {n: Stored(s.breakpoints, s.slopes, (*s.intercepts[:-1], 63)) for n, s in TABLES["exp"].scales.items()}
    low = Table(function="exp", fmt=INT8, fraction=6, bits=8, scales=lines)
    assert_refused(lambda: graph(tables={"exp": low}), "exp", "0.984375 at 0", "1 exactly")


@pytest.mark.parametrize(("name", "span"), [("reciprocal", (0.5, 1)), ("reciprocal", (2, 3.9)), ("exp", (-2, 0))])
def test_tables_that_were_fitted_elsewhere_are_refused(name, span):
    table = fit(name, span=span, scales=(4 if name == "exp" else 5,)).made
    assert_refused(lambda: graph(tables={name: table}), name, "must serve")


def test_roots_and_logarithms_that_were_fitted_elsewhere_are_refused():
    low = fit("rsqrt", span=(0.25, 1), scales=(5,)).made
    assert_refused(lambda: norms.graph(LayerNorm(), tables={"rsqrt": low}), "rsqrt", "must serve 1..3.9")
    g = Graph("log")
    x, wrong = g.input("x", QType(("N", 4), INT8, 0.1)), fit("log", span=(0.5, 0.9), scales=(5,)).made
    out = QType((), INT8, 0.1)
    assert_refused(lambda: LogSoftmax()(g, x, out, tables={"log": wrong}, name="y"), "log", "must serve 1..1.9")


def test_refusals():
    g = Graph("no")
    x = g.input("x", QType(("N", 1), INT8, 0.3))
    y = g.input("y", QType(("N", 1), INT8, 0.25, 4))
    wide = g.input("wide", QType(("N", 1), INT16, 0.25))
    coarse = g.input("coarse", QType(("N", 1), INT8, 2.0))
    out = QType((), INT8, 0.25)
    for v, *told in (
        (x, "'x'", "0.3"),
        (y, "zero_point 4"),
        (wide, "-32768..32767", "int8"),
        (coarse, "2**--1", "0, 1"),
    ):
        assert_refused(lambda v=v: fitted(g, v, GELU, out, name="t"), "gelu", *told)
