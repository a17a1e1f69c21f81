"""Systolic tiles: elements, whole matrix products with their cycles, gates."""

import re
from dataclasses import replace

import numpy as np
import pytest

from codegen import emit_verilog, verify_unit
from codegen.rtl import MacUnit, ProcessingElement, SystolicTile
from codegen.rtl.systolic_schedule import schedule
from codegen.rtl.unit import drawn
from codegen.runners.systolic import run_matmul
from codegen.runners.verilog import run_unit
from codegen.synthesis import check, library_named, synthesize
from codegen.synthesis.benches import bench_of, verilog_of
from codegen.synthesis.netlist import area_of
from hwsim import FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, INT32, UINT8
from hwsim.costs.cycles import matmul_cycles
from hwsim.formats import BINARY, INT48, TERNARY, IntFormat
from hwsim.ops.datapath import Datapath
from tests.codegen.verilog.simulators import (
    assert_equal,
    broken,
    lint,
    mutated,
    needs_icarus,
    needs_yosys,
    synthesized,
)
from tests.compare import assert_refused, assert_same

INT10 = IntFormat("int10", 10)
PLAIN = MacUnit(a=INT8, b=INT4, acc=INT32)
MACS = [
    *(PLAIN, MacUnit(a=UINT8, b=INT8, acc=INT32), MacUnit(a=INT8, b=UINT8, acc=INT32, zero_b=128)),
    *(MacUnit(a=INT8, b=TERNARY, acc=INT16), MacUnit(a=INT8, b=BINARY, acc=INT16)),
    *(MacUnit(a=FP4_E2M1, b=FP4_E2M1, acc=INT16), MacUnit(a=FP8_E4M3, b=INT8, acc=INT48)),
    MacUnit(a=INT4, b=INT4, acc=INT10, datapath=Datapath(overflow="saturate")),
    MacUnit(a=INT4, b=INT4, acc=INT10, datapath=Datapath(overflow="wrap", drop=1)),
    MacUnit(a=INT8, b=INT4, acc=INT16, datapath=Datapath(overflow="saturate", drop=2, signs="magnitude")),
]
SIZES = [(1, 1, 1), (1, 4, 3), (4, 1, 2), (2, 2, 2), (3, 5, 7), (4, 4, 16), (8, 3, 5)]
SHAPES = {
    "one product": (1, 1, 1),
    "one tile": (4, 16, 4),
    "sums shorter than the array is high": (9, 2, 11),
    "edges everywhere": (13, 7, 6),
    "sums longer than the store": (5, 50, 9),
    "sums longer than the store, one tile": (1, 37, 1),
    "many tiles": (30, 3, 30),
}


def name_of(mac: MacUnit) -> str:
    return f"{mac.a.name}-{mac.b.name}-{mac.acc.name}-{mac.datapath.overflow}"


def tile_of(rows: int, columns: int, depth: int, mac: MacUnit = PLAIN) -> SystolicTile:
    return SystolicTile(mac=mac, rows=rows, columns=columns, depth=depth)


@needs_icarus
@pytest.mark.parametrize("mac", MACS, ids=name_of)
def test_elements_and_tiles_of_every_datapath(mac):
    assert_equal(ProcessingElement(mac=mac), 30_000)
    assert_equal(tile_of(3, 2, 4, mac), 4_000, vectors=2_000)


@needs_icarus
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiles_of_every_size(size):
    assert_equal(tile_of(*size), 2_000, vectors=2_000)


@needs_icarus
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_whole_products_and_their_cycles(size, shape):
    tile, (m, k, n), rng = tile_of(*size), shape, np.random.default_rng(5)
    a, b = drawn(rng, INT8, None, (m, k)), drawn(rng, INT4, None, (k, n))
    ran = run_matmul(tile, a, b)
    assert_same(a @ b, ran.y)
    assert ran.cycles == matmul_cycles(tile.array, m, k, n).total


@needs_icarus
@pytest.mark.parametrize("shape", [(17, 64, 64), (17, 128, 64), (17, 16, 17), (1, 64, 10)], ids=str)
def test_layers_of_the_vision_transformer(shape):
    """Projections, the second layer of the MLP in two chunks, scores, and the head, 16 x 16."""
    tile, (m, k, n), rng = tile_of(16, 16, 64, MacUnit(a=INT8, b=INT8, acc=INT32)), shape, np.random.default_rng(7)
    a, b = drawn(rng, INT8, None, (m, k)), drawn(rng, INT8, None, (k, n))
    ran = run_matmul(tile, a, b)
    assert_same(a @ b, ran.y)
    assert ran.cycles == matmul_cycles(tile.array, m, k, n).total


@needs_icarus
def test_batches_and_limited_accumulators():
    rng = np.random.default_rng(6)
    for mac in MACS[-5:]:
        tile = tile_of(3, 4, 6, mac)
        k = mac.depth(20)
        a, b = drawn(rng, mac.a, None, (3, 5, k)), drawn(rng, mac.b, None, (3, k, 9))
        ran = run_matmul(tile, a, b)
        assert_same(np.stack([tile.product(x, w) for x, w in zip(a, b, strict=True)]), ran.y)
        assert ran.cycles == matmul_cycles(tile.array, 5, k, 9, batch=3).total


@needs_icarus
def test_the_last_result_leaves_when_the_formula_says():
    """Counted from the tile's own outputs, which are 0 when nothing leaves."""
    for size in SIZES:
        tile, (m, k, n) = tile_of(*size), (size[0] + 1, 9, size[1])
        a, b = np.full((1, m, k), 3), np.full((1, k, n), 5)
        codes = schedule(tile.array, a, b, tile.zero).codes
        assert (codes["first"].sum(), codes["load"][0]) == (matmul_cycles(tile.array, m, k, n).tiles + 1, 1)
        a = np.full((1, 2 * size[0], k), 3)  # no row of padding, whose results are 0
        y = run_unit(tile, schedule(tile.array, a, b, tile.zero).codes)
        last = max(int(np.flatnonzero(column)[-1]) for column in y.values())
        assert last + tile.latency + 1 == matmul_cycles(tile.array, 2 * size[0], k, n).total


@needs_icarus
def test_one_cycle_less_between_tiles_is_too_few():
    tile, a, b = tile_of(3, 2, 4), np.full((1, 6, 2), 3), np.arange(1, 5).reshape(1, 2, 2)
    codes = schedule(tile.array, a, b, tile.zero).codes
    starts = np.flatnonzero(codes["first"])
    assert starts.tolist() == [2, 5, 8]
    sooner = {port: np.delete(c, starts[1] - 1, axis=0) for port, c in codes.items()}
    assert_refused(lambda: tile.expected(sooner), "tiles of 3 rows need 3 cycles each")
    right, wrong = (
        np.stack([y[port] for port in tile.results], axis=-1)[at : at + 3]
        for y, at in ((run_unit(tile, codes), starts[1]), (run_unit(tile, sooner), starts[1] - 1))
    )
    assert_same(a[0, :3] @ b[0], right)
    assert (right != wrong).any()


MUTANTS = {
    "results never stop": lambda t: t.replace("!first && (move || moving)", "move || moving"),
    "what is above comes before a new sum": lambda t: t.replace("if (first) result", "if (first && !move) result"),
    "no skew of a": lambda t: t.replace("a_1_0 <= a_1_0_late_1", "a_1_0 <= a[15:8]"),
    "no skew of the token": lambda t: t.replace("first_0_1 <= first_kept", "first_0_1 <= first"),
    "the wrong bank": lambda t: t.replace("bank ? bank_1", "!bank ? bank_1"),
    "both banks": lambda t: t.replace("load && !bank", "load"),
    "results leave above the lowest row": lambda t: t.replace("out_0 <= y_2_0", "out_0 <= y_1_0"),
    "no skew back": lambda t: t.replace("assign y_0 = out_0", "assign y_0 = y_2_0_net"),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert mutated(tile_of(3, 2, 4), MUTANTS[name]) > 0


@needs_icarus
def test_a_wrong_tile_gives_a_wrong_product():
    tile, rng = tile_of(3, 2, 4), np.random.default_rng(1)
    a, b = drawn(rng, INT8, None, (4, 9)), drawn(rng, INT4, None, (9, 3))
    assert (run_matmul(tile, a, b, broken(tile, MUTANTS["the wrong bank"])).y != a @ b).any()


@needs_yosys
@needs_icarus
def test_gates_are_equal(tmp_path):
    tile = tile_of(2, 2, 2, MacUnit(a=INT4, b=INT4, acc=INT16))
    for unit in (tile, tile.pe):
        lint(unit, tmp_path)
    a, b = (drawn(np.random.default_rng(2), INT4, None, shape) for shape in ((5, 3), (3, 5)))
    ran = run_matmul(tile, a, b, synthesized(tile, tmp_path))
    assert_same(a @ b, ran.y)


@needs_yosys
def test_areas_belong_to_checked_gates():
    library, rng = library_named("gate-equivalents"), np.random.default_rng(3)
    tile = tile_of(2, 2, 2, MacUnit(a=INT4, b=INT4, acc=INT16))
    runs = [(drawn(rng, INT4, None, (1, 5, 3)), drawn(rng, INT4, None, (1, 3, 5))) for _ in range(8)]
    each = [schedule(tile.array, a, b, tile.zero).codes for a, b in runs]
    stimuli = {
        tile.pe: tile.pe.in_array(*(drawn(rng, INT4, None, (8, 60)) for _ in "ab"), steps=9, rows=5),
        tile: {port: np.concatenate([codes[port] for codes in each]) for port in each[0]},
    }
    areas = {}
    for unit, codes in stimuli.items():
        made = synthesize(verilog_of(unit), library)
        check(made, bench_of(unit, codes, 8, "drawn"))
        areas[unit] = area_of(made.netlist.cells)
        wrong = replace(verilog_of(unit), files=broken(unit, MUTANTS["results never stop"]))
        with pytest.raises(ValueError, match="no area for a wrong netlist"):
            check(synthesize(wrong, library, arithmetic=("fused",)), bench_of(unit, codes, 8, "drawn"))
    around = areas[tile] - 4 * areas[tile.pe]
    assert 0 < around < 0.2 * areas[tile]


def test_an_element_in_an_array_sees_what_the_tile_shows_it():
    pe = ProcessingElement(mac=PLAIN)
    a, b = np.arange(1, 31).reshape(2, 15), np.ones((2, 15), np.int64)
    codes = pe.in_array(a, b, steps=5, rows=4)
    assert np.flatnonzero(codes["first"][:15]).tolist() == [0, 1, 6, 11]
    assert np.flatnonzero(codes["move"][:15]).tolist() == [3, 8, 13]
    sums = {lane: [row[0], row[1:6].sum(), row[6:11].sum()] for lane, row in enumerate(a)}
    want = [0, 0, 0, sums[1][0], sums[0][0], 0, 0, 0, sums[1][1], sums[0][1], 0, 0, 0, sums[1][2], sums[0][2]]
    assert codes["above"][:15].tolist() == want
    assert_refused(lambda: pe.in_array(a, b, steps=3, rows=4), "3 steps", "4 rows")


def test_hostile_names():
    for name in ("x" * 10_000, "a", "pe_0_0", "endmodule", 'a"; $finish', ""):
        first, second = emit_verilog(replace(tile_of(2, 2, 2), name=name))
        assert first != second
        assert all(re.fullmatch(r"[A-Za-z]\w{0,41}\.v", file) for file in (first, second))


@needs_icarus
def test_hostile_names_run():
    for name in ("bank_0", "x" * 10_000):
        assert verify_unit(replace(tile_of(2, 2, 2), name=name), 100).mismatches == 0


REFUSED = {
    "rows": (lambda: tile_of(0, 2, 2), "rows 0", "1..64"),
    "columns": (lambda: tile_of(2, 65, 2), "columns 65", "1..64"),
    "depth": (lambda: tile_of(2, 2, 0), "depth 0"),
    "lanes": (lambda: tile_of(2, 2, 2, replace(PLAIN, lanes=2)), "lanes 2", "must be 1"),
    "bias": (lambda: tile_of(2, 2, 2, replace(PLAIN, bias=True)), "bias True"),
    "stages": (lambda: ProcessingElement(mac=replace(PLAIN, stages=1)), "stages 1"),
    "no zero": (lambda: tile_of(2, 2, 2, MacUnit(a=BINARY, b=INT4, acc=INT16)), "binary", "no code for 0"),
    "shapes": (lambda: run_matmul(tile_of(2, 2, 2), np.zeros((2, 3)), np.zeros((2, 3))), "(2, 3)"),
    "nothing": (lambda: run_matmul(tile_of(2, 2, 2), np.zeros((0, 3)), np.zeros((3, 3))), "(0, 3)", "nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, *culprits = REFUSED[name]
    assert_refused(call, *culprits)
