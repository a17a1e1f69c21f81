"""Converters of variables: each becomes an input and an output of the graph, a pair in `Graph.states`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .context import Operator, Reading, whole


def convert_call_once(r: Reading, op: Operator) -> None:
    """CALL_ONCE: the constants that its subgraph assigns are the codes that variables start with."""
    at = whole("init_subgraph_index", op.options.get("init_subgraph_index"), 1, len(r.others))
    sub = r.others[at - 1]
    handles: dict[int, str] = {}
    for o in sub.operators:
        if o.kind == "VAR_HANDLE" and o.outs:
            handles[o.outs[0]] = _name(o)
        elif (
            o.kind == "ASSIGN_VARIABLE" and len(o.ins) == 2 and o.ins[0] in handles and 0 <= o.ins[1] < len(sub.tensors)
        ):
            r.initial[handles[o.ins[0]]] = sub.tensors[o.ins[1]]
        else:
            raise ValueError(f"its subgraph has {o.kind}; only VAR_HANDLE and ASSIGN_VARIABLE of constants are taken")


def convert_handle(r: Reading, op: Operator) -> None:
    """VAR_HANDLE: a name."""
    r.handles[op.outs[0]] = _name(op)


def convert_read(r: Reading, op: Operator) -> None:
    """READ_VARIABLE: what was assigned last, at first the state's input."""
    variable, out = _variable(r, op), op.outs[0]
    if variable not in r.state:
        if variable not in r.initial or r.initial[variable].codes is None:
            raise ValueError(f"variable {variable!r} is read but CALL_ONCE gives it no codes; initialise it there")
        v = r.graph.input(r.name(out), r.type(out))
        r.state[variable] = (v, v)
    r.define(out, r.state[variable][1])


def convert_assign(r: Reading, op: Operator) -> None:
    """ASSIGN_VARIABLE: the state's next codes."""
    variable = _variable(r, op)
    if variable not in r.state:
        raise ValueError(f"variable {variable!r} is written before it is read; read it first or leave it out")
    r.state[variable] = (r.state[variable][0], r.value(op.ins[1]))


def finish(r: Reading) -> None:
    """Declare the outputs and states of all variables."""
    for variable, (before, after) in r.state.items():
        if after not in r.graph.outputs:
            r.graph.output(after)
        codes = r.initial[variable].codes
        assert codes is not None
        shape = before.type.sample_shape
        if codes.size != int(np.prod(shape)):
            raise ValueError(f"variable {variable!r}: initial codes {codes.shape} for one sample of {shape}")
        r.graph.state(before, after, np.ascontiguousarray(codes.reshape(shape)))


def _name(op: Operator) -> str:
    return f"{op.options.get('container', '')}/{op.options.get('shared_name', '')}"


def _variable(r: Reading, op: Operator) -> str:
    if op.ins[0] not in r.handles:
        raise ValueError(f"tensor {op.ins[0]} is no variable")
    return r.handles[op.ins[0]]


STATE: dict[str, Callable[[Reading, Operator], None]] = {
    "CALL_ONCE": convert_call_once,
    "VAR_HANDLE": convert_handle,
    "READ_VARIABLE": convert_read,
    "ASSIGN_VARIABLE": convert_assign,
}
