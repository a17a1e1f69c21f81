"""One op alone: run through a graph on both engines, or shown to refuse types."""

from __future__ import annotations

from typing import Any

import pytest

from hwsim import BATCH, Graph, QTensor, QType, simulate
from hwsim.formats import INT8, Codes, Format
from hwsim.graph import Op
from tests.compare import assert_one_line, assert_same


def t(*shape: int | str, fmt: Format = INT8, scale: Any = 1.0, zero: Any = 0, axis: int | None = None) -> QType:
    """A type in one line."""
    return QType(shape, fmt, scale, zero, axis)


def tensor(codes: Any, fmt: Format = INT8, scale: Any = 1.0, zero: Any = 0, axis: int | None = None) -> QTensor:
    """A tensor in one line; codes in any container."""
    return QTensor(QType(codes.shape, fmt, scale, zero, axis), codes.astype(fmt.dtype))


def batch(codes: Any, fmt: Format = INT8, scale: Any = 1.0, zero: Any = 0) -> QTensor:
    """The same with the first axis as batch."""
    return QTensor(QType((BATCH, *codes.shape[1:]), fmt, scale, zero), codes.astype(fmt.dtype))


def run_all(op: Op, *ins: QTensor, constant: tuple[int, ...] = ()) -> tuple[QTensor, ...]:
    """Every result; both engines must agree, and results must have the declared type and stay in their reach.

    Args:
        op: the op.
        ins: its inputs.
        constant: which of them are constants of the graph.
    """
    g, data, values = Graph(op.name), {}, []
    for i, x in enumerate(ins):
        if i in constant:
            values.append(g.constant(f"in{i}", x))
        else:
            values.append(g.input(f"in{i}", x.type))
            data[f"in{i}"] = x.codes
    outs = g.add_all(op, *values)
    g.output(*outs)
    slow, fast = (simulate(g, data, engine=e) for e in ("numpy", "numba"))
    for v in outs:
        assert slow[v.name].dtype == fast[v.name].dtype == v.type.fmt.dtype
        assert slow[v.name].shape[v.type.batched :] == v.type.sample_shape
        assert_same(slow[v.name], fast[v.name], what=f"{op.name}: numpy and numba")
        y = v.type.fmt.to_int(slow[v.name])
        assert g.reach[v.name].lo <= y.min()
        assert y.max() <= g.reach[v.name].hi
    return tuple(QTensor(v.type, slow[v.name]) for v in outs)


def run(op: Op, *ins: QTensor, constant: tuple[int, ...] = ()) -> QTensor:
    """The one result; see `run_all`."""
    (y,) = run_all(op, *ins, constant=constant)
    return y


def codes(op: Op, *ins: QTensor, constant: tuple[int, ...] = ()) -> Codes:
    """The one result's codes; see `run_all`."""
    return run(op, *ins, constant=constant).codes


def refuses(op: Op, types: tuple[QType, ...], *culprits: str) -> None:
    """The type rule raises one line that names the op and the culprits, directly and in a graph."""
    g = Graph(op.name)
    values = [g.input(f"in{i}", x) for i, x in enumerate(types)]
    for call in (lambda: op.out_type(*types), lambda: g.add_all(op, *values)):
        with pytest.raises(ValueError, match=f"{op.name}|shape|zero_point|outside") as e:
            call()
        assert_one_line(e.value, *culprits)


def overflows(op: Op, types: tuple[QType, ...], *culprits: str) -> None:
    """The types suit the op, but the range proof refuses the graph."""
    assert op.out_type(*types)
    g = Graph(op.name)
    values = [g.input(f"in{i}", x) for i, x in enumerate(types)]
    with pytest.raises(ValueError, match="may reach") as e:
        g.add_all(op, *values)
    assert_one_line(e.value, op.name, *culprits)
