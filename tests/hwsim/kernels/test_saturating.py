"""Steps in vector registers against `Datapath.run`, which is tested against Python integers, and against those."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from hwsim import INT8, INT16, INT32, IntFormat
from hwsim.kernels.saturating import registers, run
from hwsim.ops import Datapath
from tests.compare import assert_same
from tests.hwsim.kernels.arm import arm_tile
from tests.oracles import accumulators

SATURATE = Datapath(overflow="saturate")
TWELVE = IntFormat("int12", 12)


def agrees(path, acc, a, b, start, lanes=None):
    """The same as the definition; `lanes`: in which it must have run."""
    start = np.asarray(start, np.int64)
    want = path.run(a.astype(np.int64), b.astype(np.int64), start, acc)
    got = path.run_fast(a, b, start, acc)
    assert_same(want, got, what=f"{path}, {acc.name}, {a.shape} @ {b.shape}")
    if lanes:
        assert got.dtype == lanes
    return got


@pytest.mark.parametrize("acc", [INT16, TWELVE, INT32, IntFormat("int18", 18)], ids=lambda f: f.name)
def test_all_small_shapes(acc):
    """Every n from 1 to 70 and around whole panels, every number of rows around whole tiles, both ways round."""
    rng = np.random.default_rng(0)
    for i, n in enumerate([*range(1, 71), 95, 96, 97, 127, 128, 129, 191, 192, 193, 255, 256, 257]):
        m, k, scale = 1 + i % 20, 1 + 7 * i % 31, 128 if acc.bits < 32 else 1 << 15
        a, b = rng.integers(-scale, scale, (m, k)).astype(np.int32), rng.integers(-128, 128, (k, n)).astype(np.int8)
        start = rng.integers(acc.min_int, acc.max_int + 1, n)
        agrees(SATURATE, acc, a, b, start, np.int16 if acc.bits <= 16 else np.int32)
        agrees(SATURATE, acc, b.T, a.T, start[0])


@pytest.mark.parametrize("signs", ["twos", "magnitude"])
@pytest.mark.parametrize("bits", range(4, 17))
def test_every_width_by_python_integers(bits, signs):
    rng, acc, path = (
        np.random.default_rng(bits),
        IntFormat(f"int{bits}", bits),
        Datapath(overflow="saturate", signs=signs),
    )
    lo, hi = path.limits(acc)
    a, b = rng.integers(-128, 128, (7, 40)).astype(np.int8), rng.integers(-128, 128, (40, 35)).astype(np.int8)
    start = rng.integers(lo, hi + 1, 35)
    want = accumulators.matrix(a, b, start.tolist(), bits, overflow="saturate", drop=0, tree=1, signs=signs)
    assert_same(want, agrees(path, acc, a, b, start, np.int16))
    assert {lo, hi} <= set(want.reshape(-1).tolist()) or bits == 16


@pytest.mark.parametrize("signs", ["twos", "magnitude"])
@pytest.mark.parametrize("acc", [INT8, TWELVE, INT16, INT32], ids=lambda f: f.name)
def test_limits_are_reached_left_and_reached_again(acc, signs):
    """Sums that stop exactly at a limit, one beside it, and walk from one limit to the other."""
    path = Datapath(overflow="saturate", signs=signs)
    lo, hi = path.limits(acc)
    k, most = 64, 1 << min(acc.bits, 30) // 2
    columns = [
        np.full(k, -most), np.full(k, most - 1), np.where(np.arange(k) % 2, -most, most - 1),
        np.where(np.arange(k) // 8 % 2, -most, most - 1), np.where(np.arange(k) < 5, most, -1), np.resize([1, -1], k),
    ]  # fmt: skip
    b = np.stack(columns, 1)
    a = np.stack([np.full(k, s * x) for x in (1, most - 1) for s in (1, -1)])
    starts = np.array([lo, lo + 1, hi, hi - 1, -1, 0])
    for shift in range(6):
        got = agrees(path, acc, a, b, np.roll(starts, shift))
        assert {lo, hi} <= set(got.reshape(-1).tolist())
    agrees(SATURATE, INT16, np.full((6, 9), -128, np.int8), np.full((9, 32), -128, np.int8), 0, np.int16)


@pytest.mark.parametrize(("drop", "tree"), [*product((0, 1, 7, 15, 16, 31, 32), (1, 2, 4, 64))])
def test_cut_products_and_trees(drop, tree):
    rng = np.random.default_rng(drop)
    for signs, overflow, big in product(("twos", "magnitude"), ("saturate", "wrap", "refuse"), (8, 128, 1 << 15)):
        if (signs, overflow) == ("magnitude", "wrap"):
            continue
        path = Datapath(overflow=overflow, drop=drop, tree=tree, signs=signs)
        a, b = rng.integers(-big, big, (7, 23)), rng.integers(-big, big, (23, 18))
        for acc in (INT16, IntFormat("int20", 20)) if overflow != "refuse" else (IntFormat("int60", 60),):
            agrees(path, acc, a, b, rng.integers(-100, 100, 18))


def test_lanes_are_the_narrowest_that_hold_every_step():
    """INT16 operands whose products pass int16, sums of a tree that do, limits of int32 within reach or not."""
    one, wide = np.full((1, 2), 1, np.int64), np.full((2, 1), 1, np.int64)
    cases = (
        *[(SATURATE, INT16, 181, 181, 0, np.int16), (SATURATE, INT16, 182, 182, 0, np.int32)],
        *[(SATURATE, INT16, 1, 40000, 0, np.int32), (SATURATE, INT16, 0, 40000, 0, np.int32)],
        *[
            (SATURATE, INT16, 1, 1, 40000, np.int32),
            (Datapath(overflow="saturate", tree=2), INT16, 181, 181, 0, np.int32),
        ],
        *[(SATURATE, INT32, 46340, 46340, 0, np.int32), (SATURATE, INT32, 46341, 46341, 0, np.int64)],
        *[(SATURATE, IntFormat("int31", 31), 32768, 32767, 0, np.int32)],
        *[(SATURATE, IntFormat("int31", 31), 32768, 32769, 0, np.int64)],
        *[(Datapath(overflow="saturate", drop=16), INT16, 100, 100, 0, np.int32)],
        *[(SATURATE, IntFormat("int20", 20), 1, 1, INT32.max_int, np.int64)],
    )
    for path, acc, x, w, start, lanes in cases:
        agrees(path, acc, one * x, wide * w, start, lanes)
        agrees(path, acc, one * -x, wide * w, start)


def test_batches_vectors_and_starts_that_broadcast():
    rng = np.random.default_rng(3)
    a, b = (
        rng.integers(-128, 128, (2, 3, 9, 33)).astype(np.int8),
        rng.integers(-128, 128, (2, 3, 33, 40)).astype(np.int8),
    )
    agrees(SATURATE, INT16, a, b, rng.integers(-99, 99, 40), np.int16)
    agrees(SATURATE, INT16, a, b, rng.integers(-99, 99, (3, 1, 40)))
    agrees(SATURATE, INT16, a, b[0, 0], 5)
    agrees(SATURATE, INT16, a[0, 0, 0], b[0, 0], 5)
    agrees(SATURATE, INT16, a[..., ::2, ::3], b[..., ::3, ::-1], 0)
    agrees(SATURATE, INT16, a[:, :, :2], b[..., :3], 7)
    agrees(SATURATE, INT16, a[:0], b[:0], 0)
    agrees(SATURATE, INT16, a[0, 0, :, :0], b[0, 0, :0], 9)
    assert a.dtype == np.int8


FENCED = """
from hwsim.kernels import saturating
from tests.hwsim.kernels.fence import before_a_fence
from tests.hwsim.kernels.test_saturating import kernel_agrees
kernel_agrees(before_a_fence)
import numba
from numba.core.registry import cpu_target
print(saturating.registers(*cpu_target.target_context.codegen().magic_tuple()[::2], cuts=False))
"""


def kernel_agrees(placed=np.array):
    """Kinds of kernels against the definition, arrays where `placed` puts them."""
    rng = np.random.default_rng(1)
    for bits, narrower, drop, tree in ((16, 0, 0, 1), (16, 4, 2, 8), (32, 3, 3, 1)):
        lanes, scale = np.dtype(f"int{bits}"), 30 if bits == 16 else 1000
        acc, signs = IntFormat("acc", bits - narrower), "magnitude" if narrower == 3 else "twos"
        path = Datapath(overflow="saturate", drop=drop, tree=tree, signs=signs)
        a, b = rng.integers(-scale, scale, (2, 8, 11)), rng.integers(-scale, scale, (2, 11, 200))
        start = rng.integers(acc.min_int // 2, acc.max_int // 2, (2, 8, 200))
        got = run(*(placed(x.astype(lanes)) for x in (a, b, start)), lanes, path.limits(acc), path.cut_numbers)
        assert_same(path.run(a, b, start, acc), got, what=f"{path}, {acc.bits} bits in {lanes}")


@pytest.mark.parametrize(("features", "vector"), [("+sse2", 16), ("+avx,+avx2,+bmi,+bmi2,+fma", 32), (None, None)])
def test_every_kind_of_cpu_gives_the_same_bits(features, vector, tmp_path):
    """Compiled for CPUs that have less; nothing is read or written past the ends of operands."""
    env = dict(os.environ)
    if features:
        env |= {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": features}
    done = subprocess.run([sys.executable, "-c", FENCED], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not features or done.stdout.startswith(f"({vector},")


def test_registers_of_known_machines():
    assert registers("x86_64-unknown-linux-gnu", "+avx2,+avx512bw,-avx512fp16", cuts=False) == (64, 6, 4)
    assert registers("x86_64-unknown-linux-gnu", "+avx2,-avx512bw", cuts=True) == (32, 2, 2)
    assert registers("x86_64-unknown-linux-gnu", "", cuts=False) == (16, 3, 2)
    assert registers("aarch64-unknown-linux-gnu", "+neon", cuts=False) == (16, 6, 4)


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("cut", [None, (3, 7), (2, 3, 4)])
def test_arm_code_gives_the_same_bits(bits, limited, cut):
    """The tile compiled for AArch64 with Advanced SIMD, in an emulator."""
    rng, scale = np.random.default_rng(bits), 100 if bits == 16 else 10000
    lanes = np.dtype(f"int{bits}")
    a, b = rng.integers(-scale, scale, (6, 37)), rng.integers(-scale, scale, (37, 256 // lanes.itemsize))
    limits = (-(1 << bits - 3), (1 << bits - 3) - 5) if limited else None
    acc = np.iinfo(lanes) if limits is None else None
    lo, hi = limits or (int(acc.min), int(acc.max))
    start = rng.integers(lo, hi + 1, (6, b.shape[1]))
    want, part = start.copy(), 0
    drop, mask, tree = (*(cut or (0, 0)), 1)[:3]
    for k in range(37):
        p = a[:, k, None] * b[k]
        part = part + (p + np.where(p < 0, mask, 0) >> drop)
        if (k + 1) % tree == 0 or k == 36:
            want, part = np.clip(want + part, lo, hi), 0
    got, code = arm_tile(*(x.astype(lanes) for x in (a, b, start)), limits, cut)
    assert_same(want, got)
    assert ("sqadd" in code) == (bits == 16 or not limited)
