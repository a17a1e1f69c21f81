"""``hwsim bench formats``: how fast number formats and datapaths are simulated, beside INT8 of the same run.

Times are of `run_fast` of one op, operands converted and all, and of `simulate` of a graph of that op, whose plan keeps
constants as it needs them. Both run in a process of its own with one thread: the variables in `ONE_THREAD` are set
before it starts, so neither numba nor any BLAS makes more. Seconds are the process's CPU seconds: what else the machine
does counts less. Data are normal, seed 0.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from ..blockformats import BIAS, BLOCK_FORMATS, BlockFormat, quantize_blocks
from ..formats import BINARY, FORMATS, INT16, INT32, INT48, Codes, IntFormat, Reals
from ..graph import Graph, Value
from ..ops import BlockMatMul, MatMul
from ..ops.datapath import Datapath
from ..qtensor import BATCH, QTensor, quantize
from ..ranges import Operand, format_interval, tensor_interval
from ..reports.text import text_table
from ..simulation import run_node, simulate

SIZES = (512, 1024, 1024)
CHECKED = 8  # rows that the definition computes too
MOST = 1 << 14  # a matrix of that width each way takes 2 GB as int64
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ONE_THREAD = dict.fromkeys((*BLAS, "NUMBA_NUM_THREADS"), "1")
COLUMNS = ("activations x weights", "accumulator", "ms", "GMAC/s", "GOPS", "of INT8", "target", "simulate, GOPS")
NOTES = """{m} x {k} times {k} x {n}, one thread, medians of {runs} interleaved runs in CPU seconds of this machine,
conversions included; GOPS: 2 operations a multiply-accumulate; of INT8: median ratio to the INT8 run beside it;
simulate: a graph of the same product, whose constants are ready.
Results of {checked} rows equal to the numpy definition first. OPENBLAS_CORETYPE: {core}"""
Seconds = tuple[list[float], list[float]]
"""Of the op alone, and of its graph."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One product.

    Args:
        left, right: formats of activations and weights.
        acc: the accumulator.
        overflow: what it does at its limits.
        ratio, gops: targets, of INT8's speed and in 10**9 operations a second.
    """

    left: str
    right: str
    acc: IntFormat = INT32
    overflow: Any = "refuse"
    ratio: float | None = None
    gops: float | None = None


CASES = (
    Case(left="int8", right="int8"),
    Case(left="int8", right="fp4_e2m1", ratio=0.5),
    Case(left="fp4_e2m1", right="fp4_e2m1", ratio=0.5),
    Case(left="int8", right="mxfp4", ratio=0.5),
    Case(left="mxfp4", right="mxfp4", ratio=0.5),
    Case(left="int8", right="nvfp4", acc=INT48),
    Case(left="int8", right="nvfp4"),
    Case(left="int8", right="int4_g32"),
    Case(left="int8", right="ternary"),
    Case(left="binary", right="binary"),
    Case(left="int8", right="int8", acc=INT16, overflow="saturate", gops=20),
    Case(left="int8", right="int8", acc=IntFormat("int12", 12), overflow="saturate"),
)


def run(args: argparse.Namespace) -> tuple[str, Any]:
    """The table, and its figures."""
    sizes = tuple(args.sizes)
    if not all(1 <= s <= MOST for s in sizes) or args.runs < 1:
        raise ValueError(f"bench formats: --sizes {sizes} must be 1..{MOST} each, --runs {args.runs} at least 1")
    with one_thread(), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as executor:
        cuts, seconds = executor.submit(measure, sizes, args.runs).result()
    macs = float(np.prod(sizes))
    rows = [figures(case, macs, cut, mine, seconds[0][0]) for case, cut, mine in zip(CASES, cuts, seconds, strict=True)]
    core = os.environ.get("OPENBLAS_CORETYPE")
    m, k, n = sizes
    note = NOTES.format(m=m, k=k, n=n, runs=args.runs, checked=min(m, CHECKED), core=core or "not set")
    text = f"{text_table(COLUMNS, [cells(r) for r in rows], right=(*COLUMNS[2:6], COLUMNS[7]))}\n\n{note}"
    return text, {"sizes": sizes, "runs": args.runs, "openblas_coretype": core, "rows": rows}


@contextmanager
def one_thread() -> Iterator[None]:
    """The variables for the process that starts meanwhile. Why: libraries read them when they are loaded."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def measure(sizes: tuple[int, int, int], runs: int) -> tuple[list[int], list[Seconds]]:
    """Bits that each case cuts off, seconds of its runs, all in turn; ValueError for one that is not the definition."""
    m, k, n = sizes
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(m, k)), rng.normal(size=(k, n)) / np.sqrt(k)
    made = [prepared(case, x, w) for case in CASES]
    for p in made:
        p.check()
    seconds: list[Seconds] = [([], []) for _ in CASES]
    for _ in range(runs):
        for p, mine in zip(made, seconds, strict=True):
            for run, times in zip((p.alone, p.simulated), mine, strict=True):
                start = process_time()
                run("numba")
                times.append(process_time() - start)
    return [p.cut for p in made], seconds


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A case that is ready.

    Args:
        graph: of one op, where its proof is made.
        codes: of the op's inputs.
        cut: bits cut off so that blocks fit.
    """

    graph: Graph
    codes: list[Codes]
    cut: int

    def alone(self, engine: str, rows: int | None = None) -> Codes:
        """The op on all rows, or the first ones."""
        node = self.graph.nodes[0]
        (y,) = run_node(node, engine, *(c[:rows] if v.type.batched else c for v, c in self._pairs()))
        return y

    def simulated(self, engine: str) -> Codes:
        """The graph."""
        (y,) = simulate(self.graph, {v.name: c for v, c in self._pairs() if v.type.batched}, engine=engine).values()
        return y

    def check(self) -> None:
        """ValueError unless the first rows are those of the definition; compiles the kernels and plans too."""
        want = self.alone("numpy", CHECKED)
        if not all(np.array_equal(want, run("numba")[:CHECKED]) for run in (self.alone, self.simulated)):
            node = self.graph.nodes[0]
            raise ValueError(f"bench formats: {node.op} of {[v.type.fmt.name for v in node.ins]} differs from numpy")

    def _pairs(self) -> list[tuple[Value, Codes]]:
        return list(zip(self.graph.nodes[0].ins, self.codes, strict=True))


def prepared(case: Case, x: Reals, w: Reals) -> Prepared:
    """The op in a graph; what its inputs are."""
    left, right = parts(x, case.left, axis=1), parts(w, case.right, axis=0)
    g, cut = Graph("bench"), 0
    inputs = [g.input(f"x{i}", t.type.reshaped((BATCH, *t.type.shape[1:]))) for i, t in enumerate(left)]
    constants = [g.constant(f"w{i}", t) for i, t in enumerate(right)]
    ins, tensors = [(*a[:1], *b[:2], *a[1:], *b[2:]) for a, b in ((inputs, constants), (left, right))]
    op: MatMul | BlockMatMul = MatMul(acc=case.acc, datapath=Datapath(overflow=case.overflow))
    if case.right in BLOCK_FORMATS:
        exponents = tensor_interval(left[1]).shifted(-BIAS) if len(left) > 1 else None
        made = quantize_blocks(w, BLOCK_FORMATS[case.right], axis=0)
        op = BlockMatMul.exact(made, acc=case.acc, left=exponents)
        operands = [Operand(v.type, g.reach[v.name], g.constants.get(v.name)) for v in ins]
        while not op.reach(*operands).inside(format_interval(case.acc)):
            op, cut = replace(op, lsb_exp=op.lsb_exp + 1, rounding="half_up"), cut + 1
    g.output(g.add(op, *ins))
    return Prepared(graph=g, codes=[t.codes for t in tensors], cut=cut)


def parts(x: Reals, name: str, *, axis: int) -> tuple[QTensor, ...]:
    """`x` in a format: codes, and those of its blocks' scales."""
    fmt = BLOCK_FORMATS.get(name) or FORMATS.get(name, BINARY)
    return quantize_blocks(x, fmt, axis=axis).parts if isinstance(fmt, BlockFormat) else (quantize(x, fmt),)


def figures(case: Case, macs: float, cut: int, times: Seconds, int8: list[float]) -> dict[str, Any]:
    """What is kept of one case."""
    mine, whole = times
    spent = median(mine)
    gmacs, ratio = macs / spent / 1e9, median(b / a for a, b in zip(mine, int8, strict=True))
    kept = None
    if case.ratio is not None or case.gops is not None:
        kept = ratio >= (case.ratio or 0) and 2 * gmacs >= (case.gops or 0)
    named: dict[str, Any] = {"activations": case.left, "weights": case.right, "accumulator": case.acc.name}
    named |= {"overflow": case.overflow, "bits_cut": cut}
    speed = {"ms": 1e3 * spent, "gmacs": gmacs, "gops": 2 * gmacs, "of_int8": ratio}
    speed["simulate_gops"] = 2e-9 * macs / median(whole)
    return {**named, **speed, "target_of_int8": case.ratio, "target_gops": case.gops, "kept": kept}


def cells(r: dict[str, Any]) -> list[str]:
    """A row."""
    target = f">= {r['target_of_int8']:g} of INT8" if r["target_of_int8"] is not None else ""
    target = f">= {r['target_gops']:g} GOPS" if r["target_gops"] is not None else target
    verdict = "" if r["kept"] is None else ", kept" if r["kept"] else ", MISSED"
    speed = (f"{r['ms']:.1f}", f"{r['gmacs']:.1f}", f"{r['gops']:.1f}", f"{r['of_int8']:.2f}")
    acc = " ".join([r["accumulator"], *([r["overflow"]] if r["overflow"] != "refuse" else [])])
    acc += f", {r['bits_cut']} bits cut" if r["bits_cut"] else ""
    return [f"{r['activations']} x {r['weights']}", acc, *speed, target + verdict, f"{r['simulate_gops']:.1f}"]
