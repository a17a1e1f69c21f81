"""Piecewise-linear units: published and random tables, all stages, registers and constants, against the op."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algos.gqa_lut import fit
from codegen import emit_verilog
from codegen.rtl import PwlUnit
from hwsim import FP4_E2M1, FP8_E4M3, INT8, INT16, INT32, UINT8, QType
from hwsim.formats import FP6_E3M2, INT4, IntFormat
from hwsim.ops import Pwl
from hwsim.rounding import ROUNDINGS
from hwsim.tables import Table
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus
from tests.compare import assert_refused
from tests.hwsim.ops.test_pwl import random_pwl

PUBLISHED = Path(__file__).parents[4] / "shared/data/gqa_lut_tables"
X = QType(("N",), INT8)
SMALL = Pwl(breakpoints=(-20, 5, 5), slopes=(13, -7, 100, 12), intercepts=(-1, 90, 0, -128), shift=3)


def unit(op, fmt=INT8, **choices):
    return PwlUnit(op=op, x=QType(("N",), fmt), **choices)


@needs_icarus
@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="GQA-LUT's published tables are not beside the project")
@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("table", ["registers", "constants"])
@pytest.mark.parametrize(
    "name", ["exp_pwl_7", "exp_pwl_15", "gelu_pwl_7", "gelu_pwl_15", "hswish_pwl_7", "hswish_pwl_15"]
)
def test_published_tables_exhaustively(name, table, stages):
    t = Table.from_json(json.loads((PUBLISHED / f"{name}.json").read_text()))
    for n in t.scales:
        for out in (None, QType((), INT8, 2.0**-5)):
            op = t.at(n, out)
            reach = max(map(abs, op.breakpoints))  # of exp at 2**-5 past INT8
            # As the paper's unit, where what the shift adds is wires.
            widths = (8 if reach < 128 else reach.bit_length() + 1, 8, 8) if out is None else None
            shift = n if out is None else 0
            assert_equal(unit(op, table=table, stages=stages, widths=widths, intercept_shift=shift), 256)


@needs_icarus
def test_a_fitted_table_exhaustively():
    got = fit("gelu", 8, scales=(0, 3))
    for n in (0, 3):
        assert_equal(unit(got.table(n), stages=1), 256)


@needs_icarus
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("fmt", [INT4, INT8, UINT8, FP4_E2M1, FP6_E3M2, FP8_E4M3], ids=lambda f: f.name)
def test_every_code_of_every_rounding(fmt, rounding):
    rng = np.random.default_rng(fmt.bits)
    for shift in (0, 1, 6, 13):
        op = random_pwl(rng, fmt, 8, shift=shift, rounding=rounding, zero_point=-3)
        assert_equal(unit(op, fmt))


@needs_icarus
@pytest.mark.parametrize(("fmt", "entries"), [(INT16, 4), (INT16, 16), (IntFormat("int24", 24), 8), (INT32, 64)])
@pytest.mark.parametrize("table", ["registers", "constants"])
def test_wide_inputs(fmt, entries, table):
    rng = np.random.default_rng(entries)
    op = random_pwl(rng, fmt, entries, shift=7, rounding="half_even")
    assert_equal(unit(replace(op, fmt=INT16), fmt, table=table, stages=2), 10_000)


@needs_icarus
def test_one_segment_equal_breakpoints_and_a_shift_past_the_sum():
    assert_equal(unit(Pwl(breakpoints=(), slopes=(2,), intercepts=(-1,), shift=1, fmt=UINT8, zero_point=7)))
    assert_equal(unit(SMALL, table="registers"))
    for rounding in ROUNDINGS:
        assert_equal(unit(replace(SMALL, shift=40, rounding=rounding)))
        assert_equal(unit(replace(SMALL, shift=0, rounding=rounding, fmt=INT32)))
    beyond = Pwl(breakpoints=(-500, 300), slopes=(1, 2, 3), intercepts=(0, 1, 2), shift=0, fmt=INT16)
    assert_equal(unit(beyond))


MUTANTS = {
    "ties go left": lambda t: t.replace(">= breakpoint", "> breakpoint"),
    "unsigned sum": lambda t: t.replace("wire signed [14:0] acc", "wire [14:0] acc").replace(
        "product +", "{product} +"
    ),
    "no rounding": lambda t: t.replace(" + 4'sh4", ""),
    "no upper limit": lambda t: t.replace("dropped > 8'sh7f", "1'b0"),
    "no lower limit": lambda t: t.replace("dropped < 8'sh80", "1'b0"),
    "wrong segment": lambda t: t.replace("& slope_3", "& slope_1"),
    "one edge early": lambda t: t.replace("assign y = y_kept", "assign y = limited[7:0]"),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    assert mutated(unit(SMALL, stages=1), MUTANTS[name]) > 0


def test_what_the_unit_is_made_of():
    wired = "".join(emit_verilog(unit(SMALL)).values())
    assert "clk" not in wired
    assert "posedge" not in wired
    loaded = "".join(emit_verilog(unit(SMALL, table="registers", widths=(8, 8, 8))).values())
    assert loaded.count("if (we && column") == 3 + 4 + 4
    narrow = "".join(emit_verilog(unit(Pwl(breakpoints=(), slopes=(1,), intercepts=(0,), shift=0))).values())
    assert "?" not in narrow, "what cannot pass its limits takes no comparator"


REFUSED = {
    "stages": ({"stages": 3}, "stages 3", "0..2"),
    "bool": ({"stages": True}, "True"),
    "table": ({"table": "ram"}, "'ram'", "registers, constants"),
    "width": ({"widths": (8, 6, 9)}, "slope 100", "6 bits"),
    "wide": ({"widths": (8, 60, 60), "table": "registers"}, "(8, 60, 60)", "at most 64"),
    "shift": ({"intercept_shift": 1}, "intercept -1", "2**1"),
    "negative": ({"intercept_shift": -1}, "-1", "0..30"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    choices, *culprits = REFUSED[name]
    assert_refused(lambda: unit(SMALL, **choices), *culprits)
