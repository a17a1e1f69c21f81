import numpy as np
import pytest

from hwsim import BATCH, BINARY, FP6_E2M3, INT4, INT8, INT16, INT32, TERNARY, UINT8, Graph, QType, Recipe, quantize
from hwsim.ops import Add, Lut, MatMul, Shift
from hwsim.ops.datapath import Datapath
from hwsim.ranges import Interval
from hwsim.reports import layer_rows, layer_table, total_macs, total_parameters
from hwsim.reports.layers import bits_needed, stored_bytes
from hwsim.reports.report import layer_entry

from .networks import lowered, small_front


def test_rows_follow_the_graph_and_count_work_and_bytes():
    rows = {r.value: r for r in layer_rows(lowered(small_front()))}
    assert list(rows) == ["x", "flat", "relu1.acc", "relu1", "scores.acc", "scores"]
    assert [r.op for r in rows.values()] == ["input", "reshape", "matmul", "requant", "matmul", "requant"]
    assert (rows["relu1.acc"].macs, rows["scores.acc"].macs) == (30, 15)
    assert rows["relu1.acc"].constant_bytes == 30 + 5 * 4
    assert (rows["relu1"].contract, rows["relu1"].rounding) == ("dyadic16", "half_up")
    assert rows["relu1.acc"].bits_declared == 32
    assert rows["x"].shape == (BATCH, 2, 3)
    assert rows["x"].result_bytes == 6


def test_what_an_accumulator_does():
    path = Datapath(overflow="saturate", drop=2, signs="magnitude")
    g = lowered(small_front(), Recipe(accumulator="int20", datapath=path))
    rows = {r.value: r for r in layer_rows(g)}
    assert (rows["relu1.acc"].format, rows["relu1.acc"].datapath) == ("int20", "saturate, drop 2, signs magnitude")
    assert (rows["relu1"].datapath, rows["x"].datapath) == ("", "")
    assert "saturate, drop 2, signs magnitude" in layer_table([layer_entry(r) for r in rows.values()])


def test_totals():
    graph = lowered(small_front())
    assert total_macs(graph) == 45
    assert total_parameters(graph) == 30 + 5 + 15 + 3


def test_int4_weights_count_half_a_byte_each():
    rows = {r.value: r for r in layer_rows(lowered(small_front(), Recipe(weights="int4")))}
    assert rows["relu1.acc"].constant_bytes == 15 + 5 * 4
    assert rows["scores.acc"].constant_bytes == 8 + 3 * 4  # 15 codes in 8 bytes


def test_batched_matmul_counts_every_row():
    g = Graph()
    a = g.input("a", QType((BATCH, 4, 7), INT8))
    b = g.input("b", QType((BATCH, 7, 5), INT8))
    g.output(g.add(MatMul(), a, b))
    assert total_macs(g) == 4 * 7 * 5


def test_a_shared_constant_is_counted_once_and_tables_are_counted():
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT8))
    w = g.constant("w", quantize(np.ones((3, 3)), INT8))
    y, z = g.add(MatMul(), x, w), g.add(MatMul(), x, w)
    lut = g.add(Lut.of(np.abs, x.type, QType((BATCH, 3), INT16)), x)
    g.output(y, z, lut)
    assert [r.constant_bytes for r in layer_rows(g)] == [0, 9, 0, 512]


def test_rounding_of_a_shift_is_shown():
    g = Graph()
    x = g.input("x", QType((BATCH, 3), INT8))
    g.output(g.add(Add(), g.add(Shift(bits=1, rounding="half_even"), x), g.add(Shift(bits=1), x)))
    assert [r.rounding for r in layer_rows(g)] == ["", "half_even", "floor", ""]


@pytest.mark.parametrize(
    ("lo", "hi", "fmt", "bits"),
    [
        *[(0, 0, INT8, 1), (-1, 0, INT8, 1), (-128, 127, INT32, 8), (-129, 0, INT32, 9), (0, 128, INT32, 9)],
        *[(0, 255, UINT8, 8), (0, 1, UINT8, 1), (0, 0, UINT8, 1)],
    ],
)
def test_bits_needed(lo, hi, fmt, bits):
    assert bits_needed(Interval(lo, hi), fmt) == bits
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if fmt.signed else (0, (1 << bits) - 1)
    assert low <= lo <= hi <= high


def test_stored_bytes():
    assert [stored_bytes(f, 5) for f in (INT4, INT8, INT16, INT32)] == [3, 5, 10, 20]
    assert [stored_bytes(f, n) for f, n in ((TERNARY, 4), (TERNARY, 5), (BINARY, 8), (BINARY, 9))] == [1, 2, 1, 2]
    assert [stored_bytes(FP6_E2M3, n) for n in (1, 2, 3, 4, 5)] == [1, 2, 3, 3, 4]


def test_table_has_a_line_a_value_and_no_sqnr_without_float():
    text = layer_table([layer_entry(r) for r in layer_rows(lowered(small_front()))])
    assert len(text.splitlines()) == 2 + 6
    assert "SQNR" not in text
    assert "dyadic16, half_up" in text
