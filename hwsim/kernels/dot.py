"""``acc + sum of 4 products of bytes``, on vectors: the one instruction in which CPUs differ, as LLVM code.

    level    lanes  acc + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 is              bytes of a
    vnni512     16  VPDPBUSD                                                    unsigned
    vnni256      8  VPDPBUSD                                                    unsigned
    avx2         8  two VPMADDWD, of the even bytes and of the odd ones         signed
    neon         4  SDOT                                                        signed
    plain        4  four multiplications in 32 bits                             signed

Bytes of the other sign are flipped (a ^ 128 = a +- 128) and 128 times the column's sum of b is taken back. No step
saturates and 32 bits wrap, so every level gives the exact sum wherever the sum itself fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from .llvm import I8, I16, called


@dataclass(frozen=True, kw_only=True)
class Level:
    """What a CPU has for dot products of bytes.

    Args:
        name: see the table above.
        lanes: accumulators in one vector register.
        unsigned: whether its bytes of `a` are unsigned.
        rows, vectors: largest tile whose accumulators and operands stay in registers.
        vector: letter of its vector registers in assembly; empty where the compiler decides.
    """

    name: str
    lanes: int
    unsigned: bool
    rows: int
    vectors: int
    vector: str = ""


LEVELS = (
    Level(name="vnni512", lanes=16, unsigned=True, rows=12, vectors=4, vector="v"),
    Level(name="vnni256", lanes=8, unsigned=True, rows=6, vectors=2, vector="x"),
    Level(name="avx2", lanes=8, unsigned=False, rows=2, vectors=2),
    Level(name="neon", lanes=4, unsigned=False, rows=4, vectors=4),
    Level(name="plain", lanes=4, unsigned=False, rows=1, vectors=4),
)


def level_of(triple: str, features: str) -> Level:
    """The best level of a CPU, from LLVM's names: target triple, features such as ``+avx2,-avx512vnni``."""
    has = {f[1:] for f in features.split(",") if f.startswith("+")}
    if triple.startswith(("aarch64", "arm64")):
        name = "neon" if "dotprod" in has else "plain"
    elif {"avx512vnni", "avx512bw"} <= has:
        name = "vnni512"
    elif "avxvnni" in has:
        name = "vnni256"
    else:
        name = "avx2" if "avx2" in has else "plain"
    return next(level for level in LEVELS if level.name == name)


def dot4(b: ir.IRBuilder, level: Level, acc: Any, x: Any, w: Any) -> Any:
    """`acc` plus 4 products a lane; `x` and `w` hold 4 bytes a lane, in vectors of 32-bit lanes."""
    if level.name.startswith("vnni"):
        return called(b, f"llvm.x86.avx512.vpdpbusd.{32 * level.lanes}", acc.type, acc, x, w)
    if level.name == "neon":
        bytes_ = ir.VectorType(I8, 16)
        return called(
            b, "llvm.aarch64.neon.sdot.v4i32.v16i8", acc.type, acc, b.bitcast(x, bytes_), b.bitcast(w, bytes_)
        )
    if level.name == "avx2":
        for left in (8, 0):
            pairs = (_halves(b, v, left) for v in (x, w))
            acc = b.add(acc, called(b, "llvm.x86.avx2.pmadd.wd", acc.type, *pairs))
        return acc
    for left in (24, 16, 8, 0):
        product = b.mul(*(b.ashr(b.shl(v, _all(v, left)), _all(v, 24)) for v in (x, w)))
        acc = b.add(acc, product)
    return acc


def _halves(b: ir.IRBuilder, v: Any, left: int) -> Any:
    """One byte of each 16-bit half, sign-extended: the low one for `left` 8, the high one for 0."""
    halves = b.bitcast(v, ir.VectorType(I16, 2 * v.type.count))
    return b.ashr(b.shl(halves, _all(halves, left)), _all(halves, 8))


def _all(v: Any, n: int) -> Any:
    return ir.Constant(v.type, [n] * v.type.count)
