"""Softmax, LayerNorm and RMSNorm over rows as one module each, every element against the simulator of their graphs."""

import numpy as np
import pytest

from codegen import emit_verilog
from codegen.rtl import RowUnit, layernorm_unit, rmsnorm_unit, softmax_unit
from codegen.runners.verilog import run_unit
from codegen.synthesis import check, library_named, synthesize
from codegen.synthesis.benches import bench_of, verilog_of
from codegen.unsupported import Unsupported
from hwsim import BATCH, FP4_E2M1, INT4, INT8, INT16, INT32, UINT8, Graph, QTensor, QType, simulate
from hwsim.blocks.layernorm import LayerNorm
from hwsim.blocks.softmax import Softmax
from hwsim.contracts import Pow2
from hwsim.formats import UINT1, UINT4, UINT16
from hwsim.ops import Add, MatMul, Reduce, Requant
from tests.codegen.verilog.simulators import assert_equal, lint, mutated, needs_icarus, needs_yosys
from tests.compare import assert_refused, assert_same

SCORES, STREAM = QType((), INT8, 0.1, 3), QType((), INT16, 0.01)
PROBABILITIES, NORMAL = QType((), UINT8, 2.0**-8), QType((), INT8, 0.05, -3)


def parameters(row):
    """A gain and an offset for each column."""
    rng = np.random.default_rng(row)
    return {"weight": rng.normal(size=row), "bias": rng.normal(size=row)}


def masked(row, constant=None):
    """Softmax with a mask, of the input or constant."""
    g = Graph("masked")
    x = g.input("x", QType((BATCH, row), INT16, 0.01))
    fmt = QType((BATCH, row), UINT1)
    mask = g.input("mask", fmt) if constant is None else g.constant("mask", QTensor(fmt.reshaped((row,)), constant))
    g.output(Softmax()(g, x, PROBABILITIES, mask=mask, name="y"))
    return RowUnit(graph=g)


def wide(row):
    """INT32 scores of a matmul, probabilities of 16 bits."""
    return softmax_unit(row, QType((), INT32, 2.0**-14), QType((), UINT16, 2.0**-16), stages=1)


UNITS = {
    "softmax": lambda: softmax_unit(16, SCORES, PROBABILITIES),
    "softmax of 5": lambda: softmax_unit(5, SCORES, QType((), UINT8, 1 / 200), stages=1),
    "softmax of a pair": lambda: softmax_unit(
        2, SCORES, PROBABILITIES, block=Softmax(z="int4", z_step=0.5, fraction=9, mantissa=4)
    ),
    "softmax of a product": lambda: wide(16),
    "a mask": lambda: masked(7),
    "a constant mask": lambda: masked(6, np.array([1, 0, 1, 1, 0, 1], np.uint8)),
    "layernorm": lambda: layernorm_unit(16, STREAM, NORMAL, **parameters(16)),
    "layernorm of 5": lambda: layernorm_unit(5, SCORES, QType((), INT16, 2.0**-10), stages=1, contract=Pow2),
    "layernorm of 10 bits": lambda: layernorm_unit(8, STREAM, NORMAL, block=LayerNorm(width=10, mantissa=5)),
    "rmsnorm": lambda: rmsnorm_unit(16, STREAM, NORMAL, weight=parameters(16)["weight"]),
    "rmsnorm of 3": lambda: rmsnorm_unit(3, SCORES, NORMAL, stages=1),
}


@needs_icarus
@pytest.mark.parametrize("name", UNITS)
def test_rows(name):
    """At least 1,000 rows and 10,000 elements."""
    unit = UNITS[name]()
    assert_equal(unit, 10_000, vectors=max(10_000, 1000 * unit.row))


@needs_icarus
def test_rows_with_pauses():
    """Whole rows of nothing between two rows, or any pause once all results are out."""
    unit = layernorm_unit(4, STREAM, NORMAL, **parameters(4))
    rng, places = np.random.default_rng(0), [0, 4, 12, 16, 40, 53, 57, 90]
    codes = {"first": np.zeros(120, np.int64), "x": rng.integers(-(1 << 15), 1 << 15, 120)}
    codes["first"][places] = 1
    at = np.array(places)[:, None] + np.arange(4)
    want = simulate(unit.graph, {"x": codes["x"][at].astype(np.int16)}, engine="numpy")["y"]
    made = run_unit(unit, {p: np.concatenate([c[:90], c]) for p, c in codes.items()})["y"]  # known from the first on
    assert_same(want, made[90:][at])


def test_what_waits_and_for_how_long():
    """Scores and exponentials wait for a pass each; a row's elements come out two rows later."""
    unit = UNITS["softmax"]()
    assert (unit.row, unit.passes, unit.latency, list(unit.buffers.values())) == (16, 2, 32, [8, 16])
    assert (UNITS["rmsnorm"]().passes, list(UNITS["rmsnorm"]().buffers.values())) == (1, [16])
    assert wide(16).latency == 33
    assert list(UNITS["layernorm"]().buffers.values()) == [16, 16]


def test_near_the_functions_that_they_are():
    rng, row = np.random.default_rng(0), 16
    x = rng.integers(-128, 128, (500, row))
    stream = {"first": np.tile(np.arange(row) == 0, 500), "x": x.reshape(-1)}
    e = np.exp(0.1 * (x - x.max(-1, keepdims=True)))
    y = UNITS["softmax"]().expected(stream)["y"].reshape(x.shape) / 256
    assert np.abs(y - e / e.sum(-1, keepdims=True)).max() < 0.03
    p = parameters(row)
    y = (UNITS["layernorm"]().expected(stream | {"x": 200 * stream["x"]})["y"].reshape(x.shape) + 3.0) * 0.05
    want = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True) * p["weight"] + p["bias"]
    assert np.abs(y - want).max() < 0.05


MUTANTS = {
    "a maximum that goes on": ("softmax", lambda t: t.replace("hw_start ? hw_in0_int", "hw_last ? hw_in0_int")),
    "a sum that is kept too early": ("softmax", lambda t: t.replace("hw_at == 4'd15", "hw_at == 4'd14")),
    "elements of another place": ("softmax", lambda t: t.replace("_in_2_row[hw_at];", "_in_2_row[hw_counter ^ 4'd1];")),
    "weights of another column": ("layernorm", lambda t: t.replace("case (hw_at)", "case (hw_at ^ 4'd1)")),
    "the mean left in": ("layernorm", lambda t: t.replace("hw_start ? hw_in0_int ", "1'b1 ? 1'sh0 ")),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    unit, change = MUTANTS[name]
    assert mutated(UNITS[unit](), change) > 0


@needs_yosys
def test_the_gates_are_equal(tmp_path):
    block = Softmax(z="int4", z_step=0.5, fraction=5, mantissa=3)
    unit = softmax_unit(4, QType((), INT4, 0.5), QType((), UINT4, 2.0**-4), block=block)
    lint(unit, tmp_path)
    codes = unit.stimulus(np.random.default_rng(0), 800)
    whole = len(codes["first"]) // (8 * unit.row) * 8 * unit.row
    made = synthesize(verilog_of(unit), library_named("gate-equivalents"))
    check(made, bench_of(unit, {p: c[:whole] for p, c in codes.items()}, 8, "rows"))


def test_hostile_names():
    unit = rmsnorm_unit(3, SCORES, NORMAL, name='"; $finish;')
    ((file, text),) = emit_verilog(unit).items()
    assert file == "finish.v"
    assert "$finish" not in text


def test_everything_without_wires_in_one_error():
    g = Graph("g")
    x = g.input("x", QType((BATCH, 4), INT8))
    w = g.constant("w", QTensor(QType((4, 4), INT8), np.ones((4, 4), np.int8)))
    y = g.add(MatMul(), x, w, name="product")
    per_channel = QType((BATCH, 4), INT8, (1.0, 2.0, 1.0, 1.0), axis=1)
    g.output(g.add(Requant.to(per_channel, y.type, Pow2), y, name="y"))
    with pytest.raises(Unsupported) as e:
        RowUnit(graph=g)
    assert len(e.value.problems) == 3
    assert "node 0 matmul 'product'" in str(e.value)
    assert "value 'y'" in str(e.value)


def summed():
    """A result a row, no element of which is left."""
    g = Graph("sum")
    x = g.input("x", QType((BATCH, 4), INT8))
    g.output(g.add(Reduce(kind="sum", axes=(1,)), x))
    return RowUnit(graph=g)


def floats():
    """A result that is no integer."""
    g = Graph("floats")
    x = g.input("x", QType((BATCH, 4), FP4_E2M1))
    g.output(x, g.add(Add(), x, x))
    return RowUnit(graph=g)


REFUSED = {
    "one element": (lambda: softmax_unit(1, SCORES, PROBABILITIES), "(N, row > 1)"),
    "a result a row": (summed, "('N', 1)", "('N', 4)"),
    "stages": (lambda: softmax_unit(4, SCORES, PROBABILITIES, stages=2), "stages 2", "0..1"),
    "floats": (floats, "output 'x'", "fp4_e2m1"),
    "what the block refuses": (lambda: softmax_unit(300, SCORES, PROBABILITIES), "300 keys", "1/300"),
    "no whole rows": (
        lambda: UNITS["rmsnorm"]().expected({"first": np.arange(17) == 0, "x": np.arange(17)}),
        "17",
        "16",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, *culprits = REFUSED[name]
    assert_refused(call, *culprits)
