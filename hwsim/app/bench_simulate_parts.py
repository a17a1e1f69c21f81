"""What ``hwsim bench simulate`` measures besides networks: a product alone, a fresh process, memory."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from ..formats import INT8, INT16, INT32, UINT8, IntFormat
from ..graph import Graph
from ..ops import MatMul
from ..ops.datapath import Datapath
from ..qtensor import BATCH, QTensor, QType
from ..reports.text import text_table
from ..simulation import simulate
from .bench_simulate_peak import peak
from .bench_simulate_process import memory, start
from .bench_simulate_record import Aim, ratio
from .turns import TURN, one_core, repeated, take_turns

Part = Callable[[int, list[str]], tuple[str, Any, list[Aim]]]
OFTEN = 5
"""Turns of a product in a round: they are short, and two engines are nearly as fast."""
SIZES = (512, 1024, 1024)
CHECKED = 2  # rows that the definition computes too
COLUMNS = ("512 x 1024 times 1024 x 1024, one thread", "ms", "GOPS")
NOTE = "medians of {rounds} interleaved rounds in CPU seconds; GOPS: 2 operations a multiply-accumulate"
SATURATING = "hwsim s8s8, 16 bits, saturating after each product"


def matmul(rounds: int, missing: list[str]) -> tuple[str, Any, list[Aim]]:
    """Ours beside ``MatMulInteger``, and an accumulator of 16 bits that saturates in order."""
    from codegen.runners.batched import batched_ort

    m, k, n = SIZES
    rounds, rng = OFTEN * rounds, np.random.default_rng(0)
    weights = rng.integers(-128, 128, (k, n)).astype(np.int8)
    rows = {"u8s8": rng.integers(0, 256, (m, k)).astype(np.uint8), "s8s8": rng.integers(-128, 128, (m, k), np.int8)}
    graphs = {kind: product(x, weights) for kind, x in rows.items()}
    narrow = product(rows["s8s8"], weights, INT16, Datapath(overflow="saturate"))
    engines: dict[str, Callable[[], Any]] = {}
    for name, kind, graph in [(f"hwsim {s}", s, g) for s, g in graphs.items()] + [(SATURATING, "s8s8", narrow)]:
        checked(graph, rows[kind])
        engines[name] = runner(graph, rows[kind])
    for kind, x in rows.items():
        ort = batched_ort(product_model(x, weights), {"x": x}, kind)
        if not np.array_equal(ort.run()["y"], engines[f"hwsim {kind}"]()["y"]):
            raise RuntimeError(f"bench simulate: MatMulInteger {kind} differs from hwsim")
        engines[f"ONNX Runtime MatMulInteger {kind}"] = ort.run
    with one_core():
        found = take_turns([repeated(e) for e in engines.values()], rounds, least=TURN)
    seconds = dict(zip(engines, found, strict=True))
    gops = {name: 2e-9 * m * k * n / median(s) for name, s in seconds.items()}
    text = text_table(
        COLUMNS, [[e, f"{1e3 * median(s):.2f}", f"{gops[e]:.0f}"] for e, s in seconds.items()], right=COLUMNS[1:]
    )
    aims = [Aim(what="saturating 16-bit accumulation, GOPS", figure=gops[SATURATING], limit=150, most=False)]
    for kind, least in (("u8s8", 1), ("s8s8", 10)):
        speed = ratio(seconds[f"ONNX Runtime MatMulInteger {kind}"], seconds[f"hwsim {kind}"])
        aims.append(Aim(what=f"matmul {kind}: speed over MatMulInteger's", figure=speed, limit=least, most=False))
    figures = [{"engine": e, "ms": 1e3 * median(s), "gops": gops[e]} for e, s in seconds.items()]
    return f"{text}\n\n{NOTE.format(rounds=rounds)}", figures, aims


def product(x: Any, weights: Any, acc: IntFormat = INT32, datapath: Datapath | None = None) -> Graph:
    """A graph of one product of the rows `x`, a sample each."""
    g = Graph("product")
    given = g.input("x", QType((BATCH, x.shape[1]), UINT8 if x.dtype == np.uint8 else INT8))
    constant = g.constant("w", QTensor(QType(weights.shape, INT8), weights))
    g.output(g.add(MatMul(acc=acc, datapath=datapath or Datapath()), given, constant, name="y"))
    return g


def product_model(x: Any, weights: Any) -> bytes:
    """The same as ``MatMulInteger``."""
    from onnx import TensorProto, helper, numpy_helper

    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", kind, ["m", x.shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["m", weights.shape[1]])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())


def runner(graph: Graph, x: Any) -> Callable[[], Any]:
    """One call of `simulate`."""
    return lambda: simulate(graph, {"x": x})


def checked(graph: Graph, x: Any) -> None:
    """RuntimeError unless the first rows are the definition's."""
    want = simulate(graph, {"x": x[:CHECKED]}, engine="numpy")["y"]
    if not np.array_equal(simulate(graph, {"x": x})["y"][:CHECKED], want):
        raise RuntimeError("bench simulate: a product differs from numpy's")


PARTS: dict[str, Part] = {"matmul": matmul, "peak": peak, "start": start, "memory": memory}
