"""Block-scaled matrix products by Python integers and fractions, and random cases over all block formats."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from hwsim import Graph, QTensor, QType
from hwsim.formats import E8M0, INT8, FloatFormat, Format
from hwsim.ops import BlockMatMul, Float32Sum
from tests.oracles.accumulators import accumulate, cut
from tests.oracles.exact import nearest_float32, rounded, saturated
from tests.oracles.floats import gfloat_values


def integers(fmt: Format, codes: Any) -> list[Any]:
    """Grid integers as gfloat decodes them, nested lists of Python integers."""
    if isinstance(fmt, FloatFormat):
        return np.ldexp(gfloat_values(fmt), -fmt.lsb_exp)[codes].astype(object).astype(int).astype(object).tolist()
    return codes.astype(object).tolist()


@dataclass
class Product:
    """One product: the op, its tensors (codes of a two-dimensional), which are inputs of a graph."""

    op: BlockMatMul
    ins: list[QTensor]
    inputs: tuple[int, ...] = (0,)
    graph: Graph = field(default_factory=lambda: Graph("product"))

    def build(self) -> tuple[Graph, dict[str, Any]]:
        """The graph with output ``y``, and its inputs."""
        values = []
        for i, t in enumerate(self.ins):
            batched = i == 0 or (i == 3 and self.op.left)
            shape = ("N", *t.type.shape[1:]) if batched else t.type.shape
            made = (
                self.graph.input(f"in{i}", t.type.reshaped(shape))
                if i in self.inputs
                else self.graph.constant(f"in{i}", t)
            )
            values.append(made)
        self.graph.output(self.graph.add(self.op, *values, name="y"))
        return self.graph, {f"in{i}": self.ins[i].codes for i in self.inputs}

    def expected(self) -> list[list[int]]:
        """The formula, element by element."""
        op, (a, b, scales) = self.op, self.ins[:3]
        rows, columns = integers(a.type.fmt, a.codes), list(zip(*integers(b.type.fmt, b.codes), strict=True))
        right = list(zip(*integers(scales.type.fmt, scales.codes), strict=True))
        left = integers(self.ins[3].type.fmt, self.ins[3].codes) if op.left else [None] * len(rows)
        zeros = (
            list(zip(*self.ins[-1].codes.astype(object).tolist(), strict=True)) if op.zeros else [None] * len(columns)
        )
        kinds = scales.type.fmt == E8M0, op.left and self.ins[3].type.fmt == E8M0
        zero = int(a.type.zero_point)
        return [
            [
                self.element([x - zero for x in r], ls, c, rs, z, kinds)
                for c, rs, z in zip(columns, right, zeros, strict=True)
            ]
            for r, ls in zip(rows, left, strict=True)
        ]

    def element(self, row: Any, left: Any, column: Any, right: Any, zeros: Any, kinds: tuple[bool, bool]) -> int:
        """One accumulator, block by block."""
        path, terms = self.op.path, []
        if isinstance(self.op.datapath, Float32Sum):
            return self.in_floats(row, left, column, right, zeros, kinds)
        for g, start in enumerate(range(0, len(row), self.op.block)):
            ends, exponent = slice(start, start + self.op.block), 0
            zero = zeros[g] if zeros else 0
            x = sum(cut(p * (q - zero), path.drop, path.signs) for p, q in zip(row[ends], column[ends], strict=True))
            for scale, is_exponent in ((right[g], kinds[0]), (left[g] if left else 1, kinds[1])):
                x, exponent = (x, exponent + scale - 127) if is_exponent else (x * scale, exponent)
            shift = min(exponent, self.op.max_exp) - self.op.lsb_exp
            terms.append(rounded([Fraction(x) * Fraction(2) ** shift], self.op.rounding)[0])
        choices = {"overflow": path.overflow, "drop": 0, "tree": path.tree, "signs": path.signs}
        return accumulate(terms, 0, self.op.acc.bits, signed=self.op.acc.signed, **choices)[-1]

    def in_floats(self, row: Any, left: Any, column: Any, right: Any, zeros: Any, kinds: tuple[bool, bool]) -> int:
        """One float32 register, block by block, as fractions."""
        grid = sum(t.type.fmt.lsb_exp for t in self.ins[: 3 + self.op.left])
        total, acc = Fraction(0), self.op.acc
        for g, start in enumerate(range(0, len(row), self.op.block)):
            ends, exponent = slice(start, start + self.op.block), 0
            zero = zeros[g] if zeros else 0
            x = sum(p * (q - zero) for p, q in zip(row[ends], column[ends], strict=True))
            for scale, is_exponent in ((right[g], kinds[0]), (left[g] if left else 1, kinds[1])):
                x, exponent = (x, exponent + scale - 127) if is_exponent else (x * scale, exponent)
            power = Fraction(2) ** (min(exponent, self.op.max_exp) + grid)
            total = nearest_float32(total + nearest_float32(nearest_float32(Fraction(x)) * power))
        return saturated([round(total / Fraction(2) ** (self.op.lsb_exp + grid))], acc.min_int, acc.max_int)[0]


def scales(rng: np.random.Generator, fmt: Format, shape: tuple[int, int], low: int, high: int) -> QTensor:
    """Random block scales; E8M0 exponents from low to high, both over-represented."""
    if fmt == E8M0:
        e = np.where(
            rng.random(shape) < 0.3, rng.choice([low, high], shape), rng.integers(low, high, shape, endpoint=True)
        )
        return QTensor(QType(shape, E8M0, 1.0, 127), (e + 127).astype(np.uint8))
    return QTensor(QType(shape, fmt, 0.25), random_codes(rng, fmt, shape))


def random_codes(rng: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Any:
    """Codes that name numbers, the largest over-represented."""
    codes = np.arange(fmt.min_code, fmt.max_code + 1)
    legal = codes[~fmt.is_reserved(codes)] if isinstance(fmt, FloatFormat) else codes
    ends = [legal[np.argmax(fmt.to_int(legal))], legal[np.argmin(fmt.to_int(legal))]]
    return np.where(rng.random(shape) < 0.15, rng.choice(ends, shape), rng.choice(legal, shape)).astype(fmt.dtype)


def case(
    seed: int, fa: Format, fb: Format, right: Format, left: Format | None = None, *,
    zero: int = 3, zeros: Format | None = None, spread: int = 4, inputs: tuple[int, ...] = (0,),
    shape: tuple[int, int, int] = (5, 37, 6), **fields: Any,
) -> Product:  # fmt: skip
    """Random codes and scales: exponents from -spread to spread on both sides; one block and one row are all zero."""
    rng, (m, k, n) = np.random.default_rng(seed), shape
    block = fields.setdefault("block", 16)
    groups = -(-k // block)
    a, b = random_codes(rng, fa, (m, k)), random_codes(rng, fb, (k, n))
    a[m // 2], b[:block, n // 2] = 0, 0
    zero = zero if fa == INT8 and left is None else 0
    ins = [
        QTensor(QType((m, k), fa, 0.5, zero), a),
        QTensor(QType((k, n), fb), b),
        scales(rng, right, (groups, n), -spread, spread),
    ]
    ins += [scales(rng, left, (m, groups), -spread, spread)] if left else []
    ins += [QTensor(QType((groups, n), zeros), random_codes(rng, zeros, (groups, n)))] if zeros else []
    return Product(BlockMatMul(left=left is not None, zeros=zeros is not None, **fields), ins, inputs)
