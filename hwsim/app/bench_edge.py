"""``hwsim bench edge``: instructions of our C on emulated microcontrollers, by layer, format and model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..formats import Codes
from ..graph import Graph
from ..reports import total_macs
from ..reports.text import text_table
from ..simulation import simulate
from .bench_layers import KINDS, LAYERS, Kind, layer
from .bench_models import chosen, model_named
from .data import random_codes
from .progress import steps

LEVELS = ("-O3", "-O2")
SAMPLES = 2  # that are counted
TEXTS = ("tool", "functions")  # of a count, that its record has once or not at all
M4, RV32, INT8, INT8_TFLM, INT4, MXFP4 = "cortex-m4", "riscv32imc", KINDS[0], KINDS[1], KINDS[2], KINDS[7]
CMSIS = {"pointwise": 2.09, "depthwise": 12.6, "dense": 2.68}
"""Instructions a MAC of CMSIS-NN 7's own C on a Cortex-M4, compiled with gcc 12 -O3 and counted in QEMU, once."""
NOTES = """instructions a multiply-accumulate: a whole inference over its MACs, the mean of {samples} samples, whose
codes were the simulator's; emulated, so instructions and not cycles. {level}:
{tools}"""


@dataclass(frozen=True, kw_only=True)
class Count:
    """One graph on one target.

    Args:
        what: layer or model.
        kind: formats and contract of a layer; empty for a model.
        target: name.
        level: optimisation.
        macs: of one inference.
        instructions: of one inference.
        tool: compiler and emulator.
        functions: instructions by function, a line each.
    """

    what: str
    kind: str
    target: str
    level: str
    macs: int
    instructions: float
    tool: str
    functions: str = ""

    @property
    def per_mac(self) -> float:
        """Instructions a multiply-accumulate."""
        return self.instructions / self.macs


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The tables, and their figures."""
    targets, missing = at_hand(args.targets)
    names, left_out = chosen(args.only, args.tiny, also=tuple(LAYERS))
    missing += left_out
    cases = [(n, k) for n in names for k in (KINDS if n in LAYERS else (None,)) if k is None or k.suits(n)]
    counts: list[Count] = []
    with steps(len(cases), quiet=args.quiet) as step:
        for name, kind in cases:
            step(f"{name} {kind.name if kind else ''}")
            graph, codes = case(name, kind, args.tiny)
            for level in LEVELS:
                counts += counted(name, kind.name if kind else "", graph, codes, targets, level, missing)
    tables = [table(counts, targets, level) for level in LEVELS]
    if len(names) == len(targets) == 1 and names[0] not in LAYERS:
        tables += [f"{c.level}, by function:\n{c.functions}" for c in counts]
    rows = [{n: x for n, x in asdict(c).items() if n not in TEXTS} | {"per_mac": c.per_mac} for c in counts]
    tools = {f"{c.target} {c.level}": c.tool for c in counts}
    text = "\n\n".join([*tables, "\n".join([*aims(counts), *dict.fromkeys(missing)])])
    return text, {"samples": SAMPLES, "cmsis": CMSIS, "tools": tools, "rows": rows, "missing": missing}


def at_hand(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Targets that can be built and run here, and a line for each other one."""
    from codegen.runners.edge import executors
    from codegen.runners.edge.toolchains import edge_target, edge_targets, toolchains

    found, missing = [], []
    for target in [edge_target(name) for name in wanted or edge_targets()]:
        try:
            toolchains(target)
            executors(target)
            found.append(target.name)
        except ValueError as e:
            missing.append(f"{target.name} left out: {e}")
    if not found:
        raise ValueError(f"bench edge: nothing to run on; {'; '.join(missing)}")
    return found, missing


def case(name: str, kind: Kind | None, tiny: Path) -> tuple[Graph, dict[str, Codes]]:
    """A layer, or a model where there is no kind, and codes of all its inputs."""
    if kind:
        graph = layer(name, kind)
        return graph, random_codes(graph, SAMPLES, seed=0)
    model = model_named(name, tiny)
    if not total_macs(model.graph):
        raise ValueError(f"bench edge: {name} has no multiply-accumulates to count instructions by")
    codes = random_codes(model.graph, SAMPLES, seed=0)
    return model.graph, codes | {n: x[:SAMPLES] for n, x in model.inputs.items()}


def counted(
    what: str, kind: str, graph: Graph, codes: dict[str, Codes], targets: Sequence[str], level: str, missing: list[str]
) -> Iterator[Count]:
    """The graph on each target; a line in `missing` where a target refuses it; RuntimeError for a wrong code."""
    from codegen.runners.edge import run_edge

    want = simulate(graph, codes)
    for target in targets:
        try:
            ran = run_edge(graph, codes, target, flags=(level,))
        except ValueError as e:
            missing.append(f"{what} {kind} left out on {target}: {e}")
            continue
        if wrong := [n for n, x in want.items() if (ran.values[n] != x).any()]:
            raise RuntimeError(f"bench edge: {what} {kind} on {target} {level}: codes of {wrong[0]} differ")
        assert ran.counts is not None
        each = ran.counts.total / ran.counts.samples
        yield Count(
            what=what, kind=kind, target=target, level=level, macs=total_macs(graph), instructions=each,
            tool=ran.tool, functions=str(ran.counts),
        )  # fmt: skip


def table(counts: Sequence[Count], targets: Sequence[str], level: str) -> str:
    """Instructions a MAC, a column a target."""
    mine = [c for c in counts if c.level == level]
    rows = []
    for what, kind in dict.fromkeys((c.what, c.kind) for c in mine):
        found = {c.target: c for c in mine if (c.what, c.kind) == (what, kind)}
        macs = next(iter(found.values())).macs
        rows.append([what, kind, f"{macs:,}", *(f"{found[t].per_mac:.2f}" if t in found else "-" for t in targets)])
    if level == LEVELS[0] and M4 in targets:
        for what in dict.fromkeys(r[0] for r in rows if r[0] in CMSIS):
            cells = [f"{CMSIS[what]:.2f}" if t == M4 else "-" for t in targets]
            rows.append([what, "int8, CMSIS-NN 7, quoted", "", *cells])
    order = list(dict.fromkeys(r[0] for r in rows))
    rows.sort(key=lambda r: order.index(r[0]))
    columns = ("layer or model", "weights, contract", "MACs", *targets)
    tools = "\n".join(dict.fromkeys(f"  {c.target}: {c.tool}" for c in mine))
    return (
        f"{text_table(columns, rows, right=columns[2:])}\n\n{NOTES.format(samples=SAMPLES, level=level, tools=tools)}"
    )


def aims(counts: Sequence[Count]) -> list[str]:
    """What was aimed at, and what came of it."""
    found = {(c.what, c.kind, c.target): c.per_mac for c in counts if c.level == LEVELS[0]}
    said = []
    for what, most in (("pointwise", 1.5), ("depthwise", 4.0), ("dense", 1.8)):
        for kind in (INT8, INT8_TFLM):
            said.append(_aim(f"{what} {kind.name} on {M4}", found.get((what, kind.name, M4)), most))
    for what in ("pointwise", "dense"):
        base = found.get((what, INT8.name, M4))
        for kind, most in ((INT4, 1.4), (MXFP4, 4.0)):
            narrow = found.get((what, kind.name, M4))
            ratio = narrow / base if narrow and base else None
            said.append(_aim(f"{what} {kind.name} over {INT8.name} on {M4}", ratio, most))
    said.append(_aim(f"pointwise {INT8.name} on {RV32}", found.get(("pointwise", INT8.name, RV32)), 4.0))
    return [line for line in said if line]


def _aim(what: str, figure: float | None, most: float) -> str:
    return "" if figure is None else f"{what}: {figure:.2f}, aim {most:g}: {'kept' if figure <= most else 'MISSED'}"
