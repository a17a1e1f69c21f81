"""Multiply-accumulate units: formats, datapaths and lanes, every running sum against the op."""

import numpy as np
import pytest

from codegen import emit_verilog, verify_unit
from codegen.rtl import MacUnit
from codegen.runners.verilog import run_unit
from hwsim import FP4_E2M1, FP8_E4M3, INT4, INT8, INT16, INT32, UINT8
from hwsim.formats import (
    BINARY,
    FP4_E1M2,
    FP4_E3M0,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3FNUZ,
    FP8_E5M2,
    INT2,
    INT24,
    INT48,
    INT64,
    TERNARY,
    UINT1,
    UINT4,
    IntFormat,
)
from hwsim.ops.datapath import Datapath
from tests.codegen.verilog.simulators import assert_equal, mutated, needs_icarus
from tests.compare import assert_refused, assert_same

INT10, INT12, UINT12 = IntFormat("int10", 10), IntFormat("int12", 12), IntFormat("uint12", 12, signed=False)
SATURATE, WRAP = Datapath(overflow="saturate"), Datapath(overflow="wrap")
PAIRS = [
    *((INT2, INT2, INT8), (INT4, INT4, INT16), (INT8, INT8, INT24), (INT8, INT8, INT32), (INT16, INT16, INT48)),
    *((INT8, INT4, INT24), (UINT8, INT8, INT32), (UINT8, UINT4, UINT12), (INT8, UINT1, INT16)),
    *((INT8, TERNARY, INT16), (TERNARY, INT4, INT16), (TERNARY, TERNARY, INT8)),
    *((INT8, BINARY, INT16), (BINARY, BINARY, INT8), (FP4_E2M1, BINARY, INT16)),
    *((FP4_E2M1, FP4_E2M1, INT16), (FP4_E1M2, FP4_E3M0, INT16), (FP6_E2M3, FP6_E3M2, INT24), (FP6_E3M2, INT8, INT32)),
    *((FP8_E4M3, FP8_E4M3, INT48), (FP8_E5M2, FP8_E4M3FNUZ, INT64), (FP8_E4M3, INT8, INT48), (INT8, FP4_E2M1, INT24)),
]
ZEROS = [(INT8, UINT8, 128), (INT8, INT4, -8), (FP4_E2M1, UINT4, 7), (BINARY, UINT1, 1)]
PATHS = [
    *(SATURATE, WRAP, Datapath(overflow="saturate", drop=3), Datapath(overflow="wrap", drop=2)),
    *(Datapath(overflow="saturate", drop=1, signs="magnitude"), Datapath(overflow="saturate", tree=4)),
    Datapath(overflow="saturate", tree=4, drop=2, signs="magnitude"),
]


@needs_icarus
@pytest.mark.parametrize(("a", "b", "acc"), PAIRS, ids=lambda f: f.name)
def test_every_pair_of_formats(a, b, acc):
    assert_equal(MacUnit(a=a, b=b, acc=acc), 10_000)


@needs_icarus
@pytest.mark.parametrize("path", PATHS, ids=lambda p: f"{p.overflow}-{p.drop}-{p.tree}-{p.signs}")
@pytest.mark.parametrize(("a", "b"), [(INT4, INT4), (INT8, INT4), (FP4_E2M1, FP4_E2M1)], ids=lambda f: f.name)
def test_narrow_accumulators(a, b, path):
    for acc in (INT10, INT12):
        for bias in (False, True):
            unit = MacUnit(a=a, b=b, acc=acc, datapath=path, lanes=path.tree, bias=bias, stages=int(bias))
            assert_equal(unit, 4000, vectors=4000)


@needs_icarus
@pytest.mark.parametrize("lanes", [2, 3, 16])
def test_dot_products(lanes):
    assert_equal(MacUnit(a=INT8, b=INT8, acc=INT32, lanes=lanes), 10_000)
    assert_equal(MacUnit(a=INT8, b=TERNARY, acc=INT16, lanes=lanes, stages=1, bias=True, datapath=WRAP), 10_000)
    assert_equal(MacUnit(a=FP6_E3M2, b=FP4_E2M1, acc=INT32, lanes=lanes, datapath=Datapath(drop=3)), 10_000)


@needs_icarus
@pytest.mark.parametrize(("a", "b", "zero"), ZEROS)
def test_zero_points_of_weights(a, b, zero):
    assert_equal(MacUnit(a=a, b=b, acc=INT24, zero_b=zero, lanes=2, bias=True), 10_000)


@needs_icarus
def test_against_python_integers():
    rng = np.random.default_rng(3)
    a, b = rng.integers(-128, 128, (400, 1)), rng.integers(-8, 8, (400, 1))
    first = (rng.random(400) < 0.1) | (np.arange(400) == 0)
    acc, want = 0, []
    for x, w, f in zip(a[:, 0].tolist(), b[:, 0].tolist(), first.tolist(), strict=True):
        acc = min(max((0 if f else acc) + (x * w >> 1), -512), 511)
        want.append(acc)
    unit = MacUnit(a=INT8, b=INT4, acc=INT10, datapath=Datapath(overflow="saturate", drop=1))
    assert_same(want, run_unit(unit, {"first": first, "a": a, "b": b})["y"])


WEIGHT = "$signed(b_0[3:0])"
MUTANTS = {
    "the sign trap": lambda t: t.replace("base + p_0", "(first ? {16{1'b0}} : acc) + p_0"),
    "unsigned weight": lambda t: t.replace(WEIGHT, WEIGHT[8:-1]).replace("signed [3:0] b_0_int", "[3:0] b_0_int"),
    "start from 0": lambda t: t.replace("first ? start_int", "first ? 1'sh0"),
    "no saturation": lambda t: t.replace("acc <= limited", "acc <= next"),
}


@needs_icarus
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_seen(name):
    acc, path = (INT12, SATURATE) if name == "no saturation" else (INT16, Datapath())
    assert mutated(MacUnit(a=INT8, b=INT4, acc=acc, datapath=path, bias=name == "start from 0"), MUTANTS[name]) > 0


@needs_icarus
def test_what_nothing_clears_is_never_known():
    unit = MacUnit(a=INT8, b=INT4, acc=INT16)
    ((name, text),) = emit_verilog(unit).items()
    with pytest.raises(RuntimeError, match=r"unknown \(X\)"):
        verify_unit(unit, verilog={name: text.replace("first ?", "1'b0 ?")})


def test_ternary_and_binary_weights_take_no_multiplier():
    for weights in (TERNARY, BINARY):
        text = "".join(emit_verilog(MacUnit(a=INT8, b=weights, acc=INT16)).values())
        assert "*" not in text.split("module", 1)[1]


REFUSED = {
    "lanes": ({"lanes": 65}, "lanes 65", "1..64"),
    "stages": ({"stages": 2}, "stages 2", "0..1"),
    "wide": ({"a": INT24}, "int24", "16 bits"),
    "tree": ({"datapath": SATURATE, "lanes": 2}, "1 products", "2 lanes"),
    "one step": ({"acc": INT12}, "-16256..16384", "int12", "saturate or wrap"),
    "magnitude": ({"acc": UINT12, "datapath": Datapath(overflow="saturate", signs="magnitude")}, "uint12"),
    "zero point": ({"zero_b": 128}, "zero_point 128", "int8"),
    "zero of a float": ({"b": FP4_E2M1, "zero_b": 1}, "fp4_e2m1"),
    "62 bits": ({"acc": INT64, "datapath": WRAP}, "64 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    choices, *culprits = REFUSED[name]
    assert_refused(lambda: MacUnit(**({"a": INT8, "b": INT8, "acc": INT32} | choices)), *culprits)
