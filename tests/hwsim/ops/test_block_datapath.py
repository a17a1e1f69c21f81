"""Accumulators of block_matmul against Python integers, one block at a time, on every engine."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hwsim import (
    INT4,
    INT8,
    INT16,
    INT64,
    TERNARY,
    UINT4,
    UINT8,
    Graph,
    IntFormat,
    QTensor,
    QType,
    load,
    save,
    simulate,
)
from hwsim.formats import E8M0, FP4_E2M1, FP6_E2M3, FP6_E3M2, FP8_E4M3, INT48
from hwsim.ops import BlockMatMul, Datapath
from hwsim.ops.datapath import PLAIN
from hwsim.rounding import ROUNDINGS
from tests.backends import check_engines
from tests.compare import assert_one_line, assert_same
from tests.oracles.block_products import Product, case
from tests.oracles.one_op import overflows, refuses, t

SIDES = {
    "mxfp4": (FP4_E2M1, FP4_E2M1, E8M0, E8M0, {"lsb_exp": -8, "max_exp": 8}),
    "mxfp6": (FP6_E2M3, FP6_E3M2, E8M0, E8M0, {"lsb_exp": -8, "max_exp": 5}),
    "mxfp8": (FP8_E4M3, FP8_E4M3, E8M0, E8M0, {"lsb_exp": -2, "max_exp": 8}),
    "nvfp4": (FP4_E2M1, FP4_E2M1, FP8_E4M3, FP8_E4M3, {}),
    "int8 with int4": (INT8, INT4, UINT8, None, {}),
    "int8 with uint4": (INT8, UINT4, E8M0, None, {"zeros": UINT4, "lsb_exp": -4, "max_exp": 4}),
    "int16 with ternary": (INT16, TERNARY, E8M0, None, {"lsb_exp": -4, "max_exp": 4}),
}
CHOICES = [
    {"overflow": o, "drop": d, "tree": tree, "signs": s}
    for o, s, d, tree in product(("saturate", "wrap"), ("twos", "magnitude"), (0, 1, 5), (1, 2, 4))
    if (o, s) != ("wrap", "magnitude")
]
FIXED = [
    dict(zip(("overflow", "drop", "tree", "signs"), values, strict=True))
    for values in (
        *[("saturate", 0, 1, "twos"), ("saturate", 3, 2, "magnitude"), ("saturate", 2, 1, "twos")],
        *[("saturate", 0, 4, "magnitude"), ("wrap", 0, 1, "twos"), ("wrap", 3, 2, "twos")],
        *[("refuse", 4, 1, "twos"), ("refuse", 1, 2, "magnitude")],
    )
]


def shown(choices: dict[str, object]) -> str:
    return "-".join(str(v) for v in choices.values())


def narrow(name: str, seed: int, bits: int, choices: dict[str, object], **more: object) -> Product:
    """A product whose exact sums need two bits more than `bits`, or all that they need under ``refuse``."""
    fa, fb, right, left, fields = SIDES[name]
    shape = more.pop("shape", (4, 45, 3))
    p = case(seed, fa, fb, right, left, **{"block": 8, "acc": INT64, "shape": shape, **fields, **more})
    p.inputs = (0, 3) if p.op.left else (0,)
    path = Datapath(**choices)
    if path.overflow == "refuse":
        p.op = replace(p.op, datapath=path)
        return p
    p.op = replace(p.op, datapath=replace(path, overflow="refuse"))
    worst = max(abs(y) for row in p.expected() for y in row)
    lsb_exp = p.op.lsb_exp + worst.bit_length() - bits - 1
    p.op = replace(p.op, datapath=path, lsb_exp=lsb_exp, acc=IntFormat(f"int{bits}", bits))
    return p


def built(p: Product) -> tuple[Graph, dict[str, np.ndarray], np.ndarray]:
    """Graph, inputs and what they give; the proof holds it."""
    graph, given = p.build()
    want = np.array(p.expected(), object)
    assert graph.reach["y"].lo <= want.min()
    assert want.max() <= graph.reach["y"].hi
    return graph, given, want


@pytest.mark.parametrize("choices", CHOICES, ids=shown)
def test_every_width_block_by_block(choices):
    for bits in range(8, 33):
        name = list(SIDES)[bits % len(SIDES)]
        p = narrow(name, bits, bits, choices, rounding=ROUNDINGS[bits % 5])
        graph, given, want = built(p)
        for engine in ("numpy", "numba"):
            assert_same(want, simulate(graph, given, engine=engine)["y"], what=f"{name}, {bits} bits, {engine}")
        p.op = replace(p.op, acc=INT64, datapath=replace(p.op.datapath, overflow="refuse"))
        assert (want != np.array(p.expected(), object)).any(), (
            f"{bits} bits never overflow here: the test shows nothing"
        )


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("choices", FIXED, ids=shown)
def test_every_engine(name, choices):
    bits = 8 + 3 * list(SIDES).index(name) + FIXED.index(choices) % 3
    check = narrow(name, bits, bits, choices, zero=3)
    graph, given, want = built(check)
    check_engines(graph, given, {"y": want})


@pytest.mark.parametrize("choices", FIXED, ids=shown)
@pytest.mark.parametrize("name", ["mxfp4", "int8 with uint4"])
def test_every_engine_where_all_are_inputs(name, choices):
    p = narrow(name, 1, 12, choices)
    p.inputs = tuple(range(len(p.ins)))
    graph, given, want = built(p)
    check_engines(graph, given, {"y": want})


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_unsigned_accumulators_shorter_trees_than_blocks_and_one_block(overflow):
    for tree, block in ((4, 16), (8, 5), (2, 64)):
        p = narrow("int8 with int4", block, 11, {"overflow": overflow, "tree": tree}, block=block)
        p.op = replace(p.op, acc=IntFormat("uint11", 11, signed=False))
        graph, given, want = built(p)
        check_engines(graph, given, {"y": want})


@pytest.mark.parametrize(
    "path", [Datapath(overflow="saturate"), Datapath(overflow="wrap"), Datapath(signs="magnitude")]
)
def test_what_cannot_overflow_is_the_plain_product(path):
    """One MatMul where scales shift nothing out; the proof is that of exact sums."""
    p = narrow("int8 with int4", 0, 0, {"overflow": "refuse"}, acc=INT48)
    plain, given = p.build()
    p.op, p.graph = replace(p.op, datapath=path), Graph("path")
    graph, given, want = built(p)
    assert graph.reach["y"] == plain.reach["y"]
    check_engines(graph, given, {"y": want})


def test_a_limit_that_only_the_data_decide():
    """The format's proof passes the limits, the numbers of one run may not: both roads of the fast engine."""
    for small in (True, False):
        p = narrow("int8 with int4", 2, 20, {"overflow": "saturate"}, zero=0)
        p.op = replace(p.op, lsb_exp=0)
        p.ins[0].codes[:] >>= 7 if small else 0
        graph, given, want = built(p)
        assert (abs(want).max() >= (1 << 19) - 1) == (not small)
        for engine in ("numpy", "numba"):
            assert_same(want, simulate(graph, given, engine=engine)["y"], what=f"{small} {engine}")


def test_the_bound_of_cut_products_is_reached():
    """Products that all lose bits upwards or downwards; sums of floors are not floors of sums."""
    for signs, low in (("twos", -32), ("magnitude", 0)):
        p = case(0, INT8, INT4, UINT8, shape=(1, 32, 1), zero=0, block=32, datapath=Datapath(drop=12, signs=signs))
        p.ins[0].codes[:], p.ins[1].codes[:], p.ins[2].codes[:] = 1, -8, 1
        graph, _, want = built(p)
        assert (graph.reach["y"].lo, want.item()) == (low, low)


@pytest.mark.parametrize("inputs", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("signs", ["twos", "magnitude"])
def test_both_ends_of_the_proof_are_reached(inputs, signs):
    """Products of an odd size lose bits: weights of both signs, constant or as bad as they can be."""
    ends = {-1: 0, 1: 0}
    for sign in ends:
        p = case(0, INT8, INT8, UINT8, shape=(1, 32, 1), zero=0, block=32, inputs=inputs,
                 datapath=Datapath(drop=3, signs=signs))  # fmt: skip
        p.ins[1].codes[:, 0], p.ins[2].codes[:] = np.where(np.arange(32) % 2, 9, -9), 255
        helps = (p.ins[1].codes[:, 0] > 0) == (sign > 0)
        p.ins[0].codes[0] = np.where(helps, 127, -128) if inputs == (0,) else 0
        graph, _, want = built(p)
        ends[sign] = want.item()
    up, down = (127 * 9 >> 3) + (128 * 9 >> 3), -(128 * 9 >> 3) - (127 * 9 // 8 + (signs == "twos"))
    if inputs == (0,):
        assert graph.reach["y"] == (ends[-1], ends[1]) == (16 * down * 255, 16 * up * 255)
    else:
        assert graph.reach["y"] == (-32 * (128 * 127 >> 3) * 255, 32 * (128 * 128 >> 3) * 255)


@pytest.mark.parametrize("tree", [1, 4])
def test_steps_pass_int32_where_the_accumulator_has_32_bits(tree):
    p = narrow("mxfp8", 3, 32, {"overflow": "saturate", "tree": tree})
    graph, given, want = built(p)
    assert {-(1 << 31), (1 << 31) - 1} <= set(want.flat)
    check_engines(graph, given, {"y": want})


def test_types():
    scales, b = t(2, 3, fmt=UINT8), t(64, 3, fmt=FP4_E2M1)
    plain = BlockMatMul().out_type(t("N", 64), b, scales)
    assert BlockMatMul(datapath=Datapath(drop=5)).out_type(t("N", 64), b, scales).scale == 32 * plain.scale
    saturate, magnitude = Datapath(overflow="saturate"), Datapath(signs="magnitude")
    ins = t("N", 64), b, scales
    refuses(BlockMatMul(acc=UINT8, datapath=magnitude), ins, "sign-magnitude", "uint8")
    refuses(BlockMatMul(acc=INT64, datapath=saturate), ins, "64 bits", "62")
    refuses(BlockMatMul(acc=TERNARY, datapath=Datapath(overflow="wrap")), ins, "ternary", "wrap")
    wide = t(1 << 20, fmt=INT64), t(1 << 20, 1), t(1, 1, fmt=UINT8)
    overflows(BlockMatMul(block=1 << 20, datapath=Datapath(drop=3)), wide, "1048576 products", "2**61", "dropped")
    g = Graph("magnitude")
    x, w = g.input("x", t(1)), g.constant("w", QTensor(QType((1, 1), INT8), np.array([[1]], np.int8)))
    s = g.constant("s", QTensor(QType((1, 1), UINT8), np.array([[1]], np.uint8)))
    with pytest.raises(ValueError, match="sign-magnitude") as e:
        g.add(BlockMatMul(acc=INT8, datapath=magnitude), x, w, s)
    assert_one_line(e.value, "block_matmul", "-128..127", "-127..127", "saturate")


def test_reach_is_clipped_or_the_whole_format():
    ends = {"saturate": (-128, 127), "wrap": (-128, 127)}
    for overflow, want in ends.items():
        p = narrow("int8 with int4", 0, 8, {"overflow": overflow}, zero=0)
        assert p.build()[0].reach["y"] == want


def test_the_file_keeps_choices_and_the_bytes_of_graphs_without(tmp_path):
    def stored(path):
        p = narrow("mxfp4", 0, 0, {"overflow": "refuse"})
        p.op = replace(p.op, datapath=path, acc=INT48)
        save(p.build()[0], tmp_path / "g.qg")
        return load(tmp_path / "g.qg").nodes[0].op, p.op, (tmp_path / "g.qg").read_bytes()

    for path in (Datapath(overflow="saturate", drop=2, tree=4, signs="magnitude"), Datapath(overflow="wrap"), PLAIN):
        again, op, data = stored(path)
        assert again == op
        assert (b"atapath" in data) == (path != PLAIN)
