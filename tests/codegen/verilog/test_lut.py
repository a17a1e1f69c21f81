"""Look-up units, wired and loaded, against the op: every code."""

import numpy as np
import pytest

from codegen.rtl import LutUnit
from hwsim import FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, UINT8, QType
from hwsim.formats import UINT16
from hwsim.ops import Lut
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus
from tests.compare import assert_refused

GELU = Lut.of(lambda x: x / (1 + np.exp(-1.702 * x)), QType((), INT8, 2.0**-4), QType((), INT8, 2.0**-4))


def unit(op, fmt=INT8, **choices):
    return LutUnit(op=op, x=QType(("N",), fmt), **choices)


@needs_icarus
@pytest.mark.parametrize("stages", [0, 1, 2])
@pytest.mark.parametrize("table", ["registers", "constants"])
def test_every_code(table, stages):
    assert_equal(unit(GELU, table=table, stages=stages), 256)


@needs_icarus
@pytest.mark.parametrize(
    ("source", "out"), [(INT4, INT16), (UINT8, FP4_E2M1), (FP8_E4M3, INT8), (FP4_E2M1, FP8_E4M3)], ids=lambda f: f.name
)
def test_formats(source, out):
    rng = np.random.default_rng(0)
    entries = rng.integers(out.min_code, out.max_code, source.max_code - source.min_code + 1)
    assert_equal(unit(Lut(table=tuple(entries.tolist()), fmt=out), source, stages=1), source.max_code // 2)


@needs_icarus
def test_a_table_of_some_codes_and_one_of_one_value():
    assert_equal(unit(Lut(table=tuple(range(100, 1124)), fmt=UINT16, first=-200), INT16, table="constants"), 1024)
    assert_equal(unit(Lut(table=(5, 9, 2), first=-1), table="registers", stages=1), 3)
    assert_equal(unit(Lut(table=(7,) * 16), INT4), 16)


@needs_icarus
def test_mutants_are_seen():
    assert mutated(unit(GELU), lambda t: t.replace("8'h7f: entry = 8'h7f", "8'h7f: entry = 8'h7e")) == 1
    assert mutated(unit(GELU, stages=1), lambda t: t.replace("assign y = y_kept", "assign y = entry")) > 0


REFUSED = {
    "entries": (lambda: unit(Lut(table=(1, 2))), "2 entries"),
    "stages": (lambda: unit(GELU, stages=-1), "stages -1"),
    "table": (lambda: unit(GELU, table="rom"), "'rom'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    call, *culprits = REFUSED[name]
    assert_refused(call, *culprits)
