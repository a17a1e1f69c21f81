"""Why is it off by one? Each node of a graph on the codes that another engine had there, and where the two part.

Every node reads the other engine's own codes, so a difference is made by the node that shows it and never inherited.
At the first one all contracts are tried in place of the graph's: those that give the other engine's codes are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from hwsim.contracts import CONTRACTS, Contract, TflSingle
from hwsim.formats import Codes
from hwsim.graph import Graph, Node, Value
from hwsim.lowering.layout import as_stored
from hwsim.ops import Requant
from hwsim.ranges import operands
from hwsim.reports.text import text_table
from hwsim.reports.verify_html import explanation_html
from hwsim.rounding import ROUNDINGS
from hwsim.simulation import run_node

OPEN = {"dyadic16": ROUNDINGS, "pow2": ROUNDINGS, "tfl_single": ("half_away", "half_up")}
"""Roundings that a contract leaves open."""


@dataclass(frozen=True)
class Compared:
    """One value: how many codes, how many differ, the largest difference in steps."""

    value: str
    node: str
    codes: int
    differ: int
    largest: int


@dataclass(frozen=True)
class Part:
    """What one value that leads to a difference holds there."""

    value: str
    node: str
    code: int


@dataclass(frozen=True)
class Candidate:
    """How many codes of the value would differ under another contract."""

    contract: str
    rounding: str
    differ: int

    def __str__(self) -> str:
        """Contract and, where it leaves that open, rounding."""
        return f"{self.contract} {self.rounding}".rstrip()


@dataclass(frozen=True)
class Difference:
    """The first place where the engines part.

    Args:
        value, node: which, and our op with its contract.
        index: in our layout; images lie channels-last.
        ours, theirs: codes.
        exact: the last requantization before rounding and saturation, zero point included; None where there is none.
        parts: what leads there, from the operands on.
        candidates: contracts in place of ours, those with the fewest differences first.
    """

    value: str
    node: str
    index: tuple[int, ...]
    ours: int
    theirs: int
    exact: float | None
    parts: tuple[Part, ...]
    candidates: tuple[Candidate, ...]

    @property
    def agree(self) -> tuple[Candidate, ...]:
        """Contracts under which no code of the value differs."""
        return tuple(c for c in self.candidates if not c.differ)

    def told(self, engine: str) -> list[str]:
        """What happened, in lines."""
        before = "" if self.exact is None else f"; exactly {self.exact:.12g} before rounding"
        there = ", ".join(f"{p.value[:60]} {p.code} ({p.node.split()[0]})" for p in self.parts)
        lines = [
            f"first difference: value {self.value[:60]!r} of {self.node} at index {self.index}",
            f"  ours {self.ours}, {engine} {self.theirs}{before}",
            f"  there: {there}",
        ]
        if self.candidates:
            agree = ", ".join(map(str, self.agree)) or "no contract"
            lines.append(f"  equal to {engine} on every code: {agree}")
        if rest := [f"{c} {c.differ}" for c in self.candidates if c.differ]:
            lines.append(f"  codes that differ under others: {', '.join(rest)}")
        return lines


@dataclass(frozen=True)
class Explanation:
    """Every value that both engines have, in the graph's order, and the first difference."""

    engine: str
    samples: int
    rows: tuple[Compared, ...]
    first: Difference | None

    @property
    def ok(self) -> bool:
        """Whether something was compared and nothing differs."""
        return bool(self.rows) and self.first is None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        told = self.first.told(self.engine) if self.first else []
        return explanation_html(self.engine, self.samples, self.rows, told)

    def __str__(self) -> str:
        """A table, and the first difference explained."""
        columns = ("value", "node", "codes", "differ", "largest")
        cells = [(r.value[:60], r.node, str(r.codes), str(r.differ), str(r.largest)) for r in self.rows]
        end = f"equal: {len(self.rows)} values, {sum(r.codes for r in self.rows)} codes"
        lines = self.first.told(self.engine) if self.first else [end]
        return "\n".join([text_table(columns, cells, right=columns[2:]), "", *lines])


def explain_codes(graph: Graph, engine: str, inputs: Mapping[str, Codes], theirs: Mapping[str, Codes]) -> Explanation:
    """Compare `graph`, node by node, with the codes of another engine.

    Args:
        graph: the integer graph.
        engine: what to call the other engine.
        inputs: codes of the graph's inputs.
        theirs: its codes by the graph's names, in the source's layout; values without a name there are ours alone.

    Raises:
        ValueError: nothing to compare, or a value of another shape.
    """
    known = {v.name: inputs[v.name] for v in graph.inputs}
    rows: list[Compared] = []
    first = None
    for value, nodes in islands(graph, {*known, *theirs}):
        want = stored(graph, value, theirs[value.name], engine)
        env = run(graph, nodes, known)
        if len(want) != len(env[value.name]):
            raise ValueError(f"{engine}: {value.name[:60]!r} has {len(want)} samples, ours {len(env[value.name])}")
        steps = np.abs(env[value.name].astype(np.int64) - want.astype(np.int64))
        rows.append(Compared(value.name, described(nodes[-1]), steps.size, int((steps > 0).sum()), int(steps.max())))
        if first is None and steps.any():
            first = difference(graph, nodes, known, env, want)
        known[value.name] = want
    if not rows:
        raise ValueError(f"{engine}: no value has a name of the graph; it has {', '.join(theirs)[:300]}")
    return Explanation(engine, max(len(x) for x in known.values()), tuple(rows), first)


def islands(graph: Graph, known: set[str]) -> Iterator[tuple[Value, list[Node]]]:
    """Every computed value of `known` with the nodes that lead to it from others of them, in the graph's order."""
    makers = {v.name: n for n in graph.nodes for v in n.outs}
    order = {id(n): i for i, n in enumerate(graph.nodes)}
    for node in graph.nodes:
        for value in node.outs:
            if value.name not in known:
                continue
            found, open_ = {id(node): node}, [v.name for v in node.ins]
            while open_:
                name = open_.pop()
                maker = None if name in known else makers.get(name)
                if maker is not None and id(maker) not in found:
                    found[id(maker)] = maker
                    open_ += [v.name for v in maker.ins]
            yield value, sorted(found.values(), key=lambda n: order[id(n)])


def stored(graph: Graph, value: Value, codes: Codes, engine: str) -> Codes:
    """The other engine's codes as the graph lays them out, in its container."""
    laid = as_stored(codes, graph, value)
    if laid is None:
        raise ValueError(f"{engine}: {value.name[:60]!r} has shape {codes.shape}, the graph says {value.type.shape}")
    return np.asarray(laid).astype(value.type.fmt.dtype)


def run(graph: Graph, nodes: Sequence[Node], known: Mapping[str, Codes]) -> dict[str, Codes]:
    """All values of `nodes` and what they read."""
    env = {v.name: graph.constants[v.name].codes for n in nodes for v in n.ins if v.name in graph.constants}
    env |= {v.name: known[v.name] for n in nodes for v in n.ins if v.name in known}
    for n in nodes:
        for value, codes in zip(n.outs, run_node(n, "numba", *(env[v.name] for v in n.ins)), strict=True):
            env[value.name] = codes
    return env


def difference(
    graph: Graph, nodes: Sequence[Node], known: Mapping[str, Codes], env: Mapping[str, Codes], want: Codes
) -> Difference:
    """The first differing code of the last node's value, with what led to it."""
    (value,) = (v for v in nodes[-1].outs if env[v.name].shape == want.shape and (env[v.name] != want).any())
    have = env[value.name]
    index = tuple(int(i) for i in np.argwhere(have != want)[0])
    return Difference(
        value=value.name,
        node=described(nodes[-1]),
        index=index,
        ours=int(have[index]),
        theirs=int(want[index]),
        exact=exact_at(nodes[-1], env, index),
        parts=tuple(parts_at(graph, nodes, env, index)),
        candidates=tuple(sorted(candidates(graph, nodes, known, value.name, want), key=lambda c: c.differ)),
    )


def described(node: Node) -> str:
    """The op and its contract."""
    contract = getattr(node.op, "contract", None)
    rounding = getattr(contract or node.op, "rounding", "")
    words = [w for w in (contract.name if contract else "", rounding) if w]
    return f"{node.op.name} ({', '.join(words)})" if words else node.op.name


def exact_at(node: Node, env: Mapping[str, Codes], index: tuple[int, ...]) -> float | None:
    """``(x - zero_point_x) * lsb_x / lsb + zero_point`` of a requantization at `index`."""
    if not isinstance(node.op, Requant):
        return None
    source, out = node.ins[0].type, node.outs[0].type
    x = np.asarray(source.fmt.to_int(env[node.ins[0].name]) - source.along_axis(source.zero_point))[index]
    lsb, step = (float(t.lsb[index[-1]] if t.lsb.ndim else t.lsb) for t in (source, out))
    assert isinstance(out.zero_point, int)
    return float(Fraction(int(x)) * Fraction(lsb) / Fraction(step) + out.zero_point)


def parts_at(graph: Graph, nodes: Sequence[Node], env: Mapping[str, Codes], index: tuple[int, ...]) -> Iterator[Part]:
    """Values of the result's shape, and what broadcasts to it, at `index`."""
    made = {v.name: described(n) for n in nodes for v in n.outs}
    shape = env[nodes[-1].outs[0].name].shape
    for name, codes in env.items():
        tail = shape[len(shape) - codes.ndim :]
        if codes.ndim <= len(shape) and all(a in (1, b) for a, b in zip(codes.shape, tail, strict=True)):
            at = tuple(0 if a == 1 else i for a, i in zip(codes.shape, index[len(shape) - codes.ndim :], strict=True))
            kind = "constant" if name in graph.constants else "given"
            yield Part(name, made.get(name, kind), int(codes[at]))


def candidates(
    graph: Graph, nodes: Sequence[Node], known: Mapping[str, Codes], value: str, want: Codes
) -> Iterator[Candidate]:
    """Every contract in place of those of `nodes`, where its arithmetic takes their inputs."""
    if not any(isinstance(n.op, Requant) for n in nodes):
        return
    for contract in CONTRACTS:
        for rounding in OPEN.get(contract.name, ("",)):
            try:
                swapped = [under(graph, n, contract, rounding) for n in nodes]
            except ValueError:  # Why: no shift for the ratio, or an input too wide: not a contract for this node
                continue
            got = run(graph, swapped, known)[value]
            yield Candidate(contract.name, rounding, int((got != want).sum()))


def under(graph: Graph, node: Node, contract: type[Contract], rounding: str) -> Node:
    """A requantization under another contract; any other node as it is."""
    if not isinstance(node.op, Requant):
        return node
    ratio = node.ins[0].type.lsb / node.outs[0].type.lsb
    made = contract.of(ratio, rounding) if rounding else contract.of(ratio)
    if isinstance(made, TflSingle):
        made = replace(made, rounding=rounding)
    op = replace(node.op, contract=made)
    op.reach(*operands(graph, node))
    return Node(op, node.ins, node.outs)
