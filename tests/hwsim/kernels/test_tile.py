"""Tiles of every kind of CPU against int64 products: compiled by LLVM alone, run here or in an emulator."""

from __future__ import annotations

import ctypes

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from hwsim.kernels import tile
from hwsim.kernels.dot import level_of
from hwsim.kernels.llvm import I64
from tests.compare import assert_same
from tests.hwsim.kernels import arm

X86 = "x86_64-unknown-linux-gnu"
MACHINES = {
    "vnni512": (X86, "+avx2,+avx512f,+avx512bw,+avx512vnni"),
    "vnni256": (X86, "+avx2,+avxvnni"),
    "avx2": (X86, "+avx2"),
    "plain": (X86, "+sse2"),
    "neon": (arm.TRIPLE, "+neon,+dotprod"),
    "plain on arm": (arm.TRIPLE, "+neon"),
}
SHAPES = [(1, 16), (6, 64), (4, 64), (12, 32), (1, 64), (12, 16), (1, 32)]  # of `hwsim.kernels.products`


class Context:
    """What a tile asks numba for."""

    def __init__(self, machine):
        self.machine = machine

    def codegen(self):
        return self

    def magic_tuple(self):
        return self.machine[0], "", self.machine[1]

    def get_dummy_value(self):
        return None


def module(machine, rows, columns, segments, stride, steps, unsigned, taken):
    """A function of addresses: of rows' addresses, b, start, sums, c, less."""
    made = ir.Module("tile")
    made.triple = machine[0]
    function = ir.Function(made, ir.FunctionType(ir.VoidType(), [I64] * 6), "tile")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    at, b, start, sums, c, less = function.args
    numbers = [I64(n) for n in (segments, stride, steps)]
    values = (
        at,
        *numbers,
        b,
        I64(4 * columns),
        start,
        sums,
        c,
        I64(4 * columns),
        less if taken else I64(0),
        I64(unsigned),
    )
    tile._write(Context(machine), builder, values, rows, columns)
    builder.ret_void()
    return made


def packed(b):
    """``[k / 4][columns][4]``, zeros where k ends."""
    k, columns = b.shape
    whole = np.zeros((-(-k // 4) * 4, columns), np.int8)
    whole[:k] = b
    return np.ascontiguousarray(whole.reshape(-1, 4, columns).swapaxes(1, 2))


def run(name, a, b, start, segments, k, less=None):
    """Results of a tile: `a` (rows, segments, pitch) bytes of which `k` count, `b` (segments, k, columns)."""
    (rows, _, pitch), columns = a.shape, b.shape[-1]
    panel = np.concatenate([packed(part) for part in b])
    sums, c = panel.astype(np.int32).sum((0, 2), dtype=np.int32), np.zeros((rows, columns), np.int32)
    numbers = (segments, pitch, -(-k // 4), int(a.dtype == np.uint8))
    code = module(MACHINES[name], rows, columns, *numbers, less is not None)
    taken = np.zeros(rows, np.int32) if less is None else less
    offsets = np.arange(rows) * segments * pitch
    if MACHINES[name][0] == arm.TRIPLE:
        machine_code, text = arm.compiled(code, MACHINES[name][1])
        assert ("sdot" in text) == (name == "neon")
        arrays = [arm.place(6) + offsets, panel, start, sums, c, taken, a]
        return arm.called(machine_code, arrays)[4]
    arrays = [a.ctypes.data + offsets, panel, start, sums, c, taken]
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    target = llvm.Target.from_triple(X86).create_target_machine(cpu="x86-64", features=compiled_for(name), opt=3)
    parsed = llvm.parse_assembly(str(code))
    parsed.verify()
    with llvm.create_mcjit_compiler(parsed, target) as engine:
        engine.finalize_object()
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(engine.get_function_address("tile"))
        call(*(x.ctypes.data for x in arrays))
    return c


def wanted(a, b, start, k):
    return start + np.einsum("rsk,skc->rc", a[..., :k].astype(np.int64), b.astype(np.int64))


def compiled_for(name):
    """Features of the code. Why not its own: an AVX-512 machine has the 256-bit instruction in the longer encoding."""
    mine = llvm.get_host_cpu_features()
    longer = name == "vnni256" and not mine.get("avxvnni")
    return "+avx2,+avx512vl,+avx512vnni" if longer else MACHINES[name][1]


@pytest.fixture(params=MACHINES)
def name(request):
    """A kind of CPU that can run here."""
    features, mine = compiled_for(request.param), llvm.get_host_cpu_features()
    if (
        "on arm" not in request.param
        and request.param != "neon"
        and not all(mine.get(f[1:]) for f in features.split(","))
    ):
        pytest.skip(f"this CPU lacks some of {features}")
    return request.param


def test_levels_are_what_their_machines_have():
    assert {n: level_of(*m).name for n, m in MACHINES.items()} == {**{n: n for n in MACHINES}, "plain on arm": "plain"}


def test_every_remainder_of_k(name):
    """Bytes after the last one are read, and count nothing."""
    rng = np.random.default_rng(0)
    for i, k in enumerate((1, 2, 3, 4, 5, 7, 8, 10, 13, 37)):
        rows, columns = SHAPES[i % len(SHAPES)]
        segments, pitch, kind = 1 + i % 3, k + 3 + i % 5, (np.int8, np.uint8)[i % 2]
        low, high = np.iinfo(kind).min, np.iinfo(kind).max + 1
        a = rng.integers(low, high, (rows, segments, pitch)).astype(kind)
        b = rng.integers(-128, 128, (segments, k, columns)).astype(np.int8)
        start = rng.integers(-(1 << 20), 1 << 20, columns).astype(np.int32)
        less = rng.integers(-(1 << 20), 1 << 20, rows).astype(np.int32)
        what, want = f"{name}, k {k}, {rows} x {columns}", wanted(a, b, start, k)
        assert_same(want, run(name, a, b, start, segments, k), what=what)
        assert_same(want - less[:, None], run(name, a, b, start, segments, k, less), what=f"{what}, less")


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_extremes(name, kind):
    """No step saturates: the largest products of each sign, side by side."""
    ends = np.array([np.iinfo(kind).min, np.iinfo(kind).max])
    for rows, columns in SHAPES[:2]:
        a = np.resize(ends[[1, 1, 0, 1, 0, 0, 0]], (rows, 1, 84)).astype(kind)
        a[0] = ends[1]
        b = np.resize(np.array([-128, -128, 127, -128, 127], np.int8), (1, 81, columns))
        b[..., 0] = -128
        start = np.zeros(columns, np.int32)
        assert_same(wanted(a, b, start, 81), run(name, a, b, start, 1, 81), what=f"{name}, {rows} x {columns}")
