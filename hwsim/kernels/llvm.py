"""LLVM code that several kernels are made of: integer types, loads, lanes, loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

I8, I16, I32, I64 = (ir.IntType(n) for n in (8, 16, 32, 64))


def load(b: ir.IRBuilder, address: Any, kind: Any) -> Any:
    """What is at an address, which need not be aligned."""
    value = b.load(b.inttoptr(address, kind.as_pointer()))
    value.align = 1
    return value


def place(b: ir.IRBuilder, base: Any, i: Any, kind: Any) -> Any:
    """The address of number `i` of those of `kind` at `base`."""
    return b.add(base, b.mul(i, I64(kind.width // 8)))


def limit(b: ir.IRBuilder, v: Any, lo: Any, hi: Any, *, sign: str = "s") -> Any:
    """`v` within lo..hi, which have a sign (``"s"``) or none (``"u"``)."""
    less = b.icmp_signed if sign == "s" else b.icmp_unsigned
    for worse, end in (("<", lo), (">", hi)):
        v = b.select(less(worse, v, end), end, v)
    return v


def splat(b: ir.IRBuilder, x: Any, lanes: int) -> Any:
    """`x` in every lane."""
    kind = ir.VectorType(x.type, lanes)
    one = b.insert_element(ir.Constant(kind, ir.Undefined), x, I32(0))
    return b.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def called(b: ir.IRBuilder, name: str, result: Any, *args: Any) -> Any:
    """An intrinsic of LLVM."""
    kind = ir.FunctionType(result, [a.type for a in args])
    return b.call(b.module.globals.get(name) or ir.Function(b.module, kind, name=name), args)


def joined(b: ir.IRBuilder, parts: list[Any]) -> Any:
    """Vectors of one length, one after the other; their number is a power of 2."""
    while len(parts) > 1:
        n = 2 * parts[0].type.count
        order = ir.Constant(ir.VectorType(I32, n), list(range(n)))
        parts = [b.shuffle_vector(*pair, order) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def loop(b: ir.IRBuilder, count: Any, state: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """``for i in range(count): state = body(i, state)``, at least once."""
    before, again, done = b.block, b.append_basic_block("loop"), b.append_basic_block("done")
    b.branch(again)
    b.position_at_end(again)
    i = b.phi(I64)
    held = [b.phi(s.type) for s in state]
    for phi, s in zip([i, *held], [I64(0), *state], strict=True):
        phi.add_incoming(s, before)
    after = body(i, list(held))
    following = b.add(i, I64(1))
    for phi, s in zip([i, *held], [following, *after], strict=True):
        phi.add_incoming(s, b.block)
    b.cbranch(b.icmp_signed("<", following, count), again, done)
    b.position_at_end(done)
    return after
