"""verify: run one graph on every engine and compare codes, bit for bit, with the numpy definition.

Each engine runs twice: *release* (what ships; outputs are compared) and *trace* (fusion off, every value is kept and
compared). A difference is explained: node, value, index, expected, got, contract, rounding, and what went in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes
from hwsim.graph import Graph, Node
from hwsim.inputs import input_codes
from hwsim.reports.verify_html import verify_html
from hwsim.simulation import simulate

from .runners import RUNNERS
from .runners.ran import Ran

AGAINST = ("numba", "c", "ort", "onnx_reference")


@dataclass(frozen=True)
class Mismatch:
    """The first difference in the graph's order."""

    value: str
    node: str
    index: tuple[int, ...]
    expected: int
    got: int
    contract: str
    rounding: str
    operands: str

    def __str__(self) -> str:
        """One line."""
        how = f" ({self.contract}{', ' + self.rounding if self.rounding else ''})" if self.contract else ""
        return (
            f"value {self.value[:60]!r} of {self.node}{how} at index {self.index}: expected {self.expected}, "
            f"got {self.got}; inputs there: {self.operands}"
        )


@dataclass(frozen=True)
class Row:
    """One build of one engine: how many codes were compared and how many differ.

    Args:
        instructions: of one inference, the mean of the samples, where the engine counts them.
    """

    engine: str
    build: str
    tool: str
    values: int
    codes: int
    mismatches: int
    seconds: float
    first: Mismatch | None = None
    instructions: int | None = None


@dataclass(frozen=True)
class Report:
    """All rows; `ok` if no code differs anywhere."""

    rows: tuple[Row, ...]
    samples: int

    @property
    def ok(self) -> bool:
        """Whether every code of every row is equal, and something was compared."""
        return bool(self.rows) and all(r.codes and not r.mismatches for r in self.rows)

    @property
    def first_mismatch(self) -> Mismatch | None:
        """The first difference of the first row that has one."""
        return next((r.first for r in self.rows if r.first), None)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        return verify_html(self.rows, self.samples)

    def __str__(self) -> str:
        """A table, and the first mismatch explained."""
        counted = any(r.instructions for r in self.rows)
        head = f"{'engine':<16}{'build':<9}{'values':>7}{'codes':>12}{'mismatches':>12}"
        lines = [f"{head}{'instructions' if counted else '':>{14 * counted}}  tool"]
        for r in self.rows:
            row = f"{r.engine:<16}{r.build:<9}{r.values:>7}{r.codes:>12}{r.mismatches:>12}"
            lines.append(f"{row}{r.instructions or '':>{14 * counted}}  {r.tool}")
        lines += [f"first mismatch on {r.engine} ({r.build}): {r.first}" for r in self.rows if r.first]
        return "\n".join(lines)


def verify(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    against: Sequence[str] = AGAINST,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Compare engines with the definition on `inputs`.

    Args:
        graph: the integer graph.
        inputs: as for `hwsim.simulate`.
        against: engines, keys of `codegen.runners.RUNNERS`.
        progress: called with a line before each run.

    Raises:
        ValueError: unknown engine, bad inputs, or a graph that an engine cannot run exactly (all reasons at once).
    """
    if unknown := [a for a in against if a not in RUNNERS]:
        raise ValueError(f"engines {unknown} are unknown: use {', '.join(RUNNERS)}")
    codes = input_codes(graph, inputs)
    expected = simulate(graph, codes, engine="numpy", trace=True)
    rows = []
    for engine in against:
        for trace in (False, True):
            build = "trace" if trace else "release"
            if progress:
                progress(f"{engine} {build}")
            start = time.perf_counter()
            for ran in RUNNERS[engine](graph, codes, trace):
                seconds = time.perf_counter() - start
                rows.append(compare(graph, codes, expected, ran, engine, build, seconds, trace=trace))
                start = time.perf_counter()
    samples = next((len(codes[v.name]) for v in graph.inputs if v.type.batched), 1)
    return Report(tuple(rows), samples)


def compare(
    graph: Graph,
    inputs: Mapping[str, Codes],
    expected: Mapping[str, Codes],
    ran: Ran,
    engine: str,
    build: str,
    seconds: float,
    *,
    trace: bool,
) -> Row:
    """One row; values are looked at in the graph's order, so the first mismatch is where it began."""
    names = [v.name for v in graph.results(trace=trace)]
    mismatches, codes, first = 0, 0, None
    for name in names:
        want, have = expected[name], ran.values[name]
        if want.shape != have.shape:
            raise ValueError(f"{engine}: value {name[:60]!r} has shape {have.shape}, expected {want.shape}")
        wrong = want.astype(object) != have.astype(object) if want.dtype.kind != have.dtype.kind else want != have
        mismatches, codes = mismatches + int(wrong.sum()), codes + want.size
        if first is None and wrong.any():
            first = mismatch(graph, {**inputs, **expected}, have, name, tuple(int(i) for i in np.argwhere(wrong)[0]))
    return Row(engine, build, ran.tool, len(names), codes, mismatches, seconds, first, ran.instructions)


def mismatch(graph: Graph, env: Mapping[str, Codes], have: Codes, name: str, index: tuple[int, ...]) -> Mismatch:
    """The difference at `index` of value `name`, with its node's contract and operands."""
    node = next((n for n in graph.nodes if any(o.name == name for o in n.outs)), None)
    contract = getattr(node.op, "contract", None) if node else None
    return Mismatch(
        value=name,
        node=f"node {graph.nodes.index(node)} ({node.op.name})" if node else "input",
        index=index,
        expected=int(env[name][index]),
        got=int(have[index]),
        contract=contract.name if contract else "",
        rounding=getattr(contract or (node.op if node else None), "rounding", ""),
        operands=_operands(graph, env, node, env[name].shape, index),
    )


def _operands(
    graph: Graph, env: Mapping[str, Codes], node: Node | None, shape: tuple[int, ...], index: tuple[int, ...]
) -> str:
    """Inputs of an element-by-element node at `index`; otherwise their shapes."""
    parts = []
    for v in node.ins if node else ():
        codes = graph.constants[v.name].codes if v.name in graph.constants else env[v.name]
        at = int(codes[index]) if codes.shape == shape else f"shape {codes.shape}"
        parts.append(f"{v.name[:60]!r} {at}")
    return ", ".join(parts) or "none"
