"""Where engines part on one INT8 layer: ``python -m tests.disagreement`` writes docs/disagreement.md's numbers."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwsim.contracts import Contract, Dyadic16, OnnxFloat, TflmDouble, TflSingle
from hwsim.simulation import simulate
from tests.bench_tables import table
from tests.hwsim.test_contracts_oracles import onnx_layer
from tests.oracles.layers import Layer, cases, probes
from tests.oracles.tflite import fully_connected, run_litert, run_tflm

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/disagreement.md"
PLACE = re.compile(r"(<!-- begin: (\w+) -->\n).*?(<!-- end -->)", re.S)
Codes = NDArray[np.int8]
Case = tuple[Layer, Codes]


@cache
def cmsis_nn() -> ctypes.CDLL:
    """The requantization of tests/oracles/cmsis_nn_reference.c, compiled for this machine."""
    source = """#include "cmsis_nn_reference.c"
void layer(int64_t n, const int32_t *acc, const int32_t *m, const int32_t *shift, int32_t zero, int8_t *y) {
    const cmsis_nn_activation all = {-128, 127};
    for (int64_t i = 0; i < n; i++) y[i] = finish(acc[i], m[i], shift[i], zero, all); }"""
    folder, oracles = Path(tempfile.mkdtemp()), ROOT / "tests/oracles"
    (folder / "arm_nnfunctions.h").write_text((oracles / "cmsis_nn_reference.h").read_text())
    (folder / "layer.c").write_text(source)
    options = ["-shared", "-fPIC", "-std=c99", "-DUSE_SUMS=0", f"-I{folder}", f"-I{oracles}"]
    subprocess.run(["cc", *options, str(folder / "layer.c"), "-o", str(folder / "layer.so")], check=True)
    return ctypes.CDLL(str(folder / "layer.so"))


def run_cmsis_nn(layer: Layer, x: Codes) -> Codes:
    """CMSIS-NN's documented arithmetic."""
    made, acc = TflmDouble.of(layer.ratio), np.ascontiguousarray(layer.accumulators(x), np.int32)
    constants = [np.ascontiguousarray(np.broadcast_to(c, acc.shape), np.int32) for c in (made.multiplier, made.shift)]
    y = np.empty(acc.shape, np.int8)
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (acc, *constants)]
    cmsis_nn().layer(ctypes.c_int64(acc.size), *pointers, layer.y_zero, y.ctypes.data_as(ctypes.c_void_p))
    return y


ENGINES: dict[str, Callable[[Layer, Codes], Codes]] = {
    "TFLM": lambda layer, x: run_tflm(fully_connected(layer, len(x)), x),
    "CMSIS-NN": run_cmsis_nn,
    "LiteRT, reference": lambda layer, x: run_litert(fully_connected(layer, len(x)), x, "reference"),
    "LiteRT, XNNPACK": lambda layer, x: run_litert(fully_connected(layer, len(x)), x, "xnnpack"),
    "ONNX Runtime": onnx_layer,
    "hwsim, dyadic16": lambda layer, x: contract_codes(layer, x, Dyadic16.of(layer.ratio)),
}
CONTRACTS: dict[str, Callable[[Layer], Contract]] = {
    "dyadic16": lambda layer: Dyadic16.of(layer.ratio),
    "tfl_single": lambda layer: TflSingle.of(layer.ratio),
    "tflm_double": lambda layer: TflmDouble.of(layer.ratio),
    "onnx_float": lambda layer: OnnxFloat.of(layer.float32_ratio),
}


def contract_codes(layer: Layer, x: Codes, contract: Contract) -> Codes:
    """Our codes under a contract."""
    return simulate(layer.graph(contract), {"x": x})["y"]


@cache
def layers() -> dict[str, Case]:
    """One layer with scales that are powers of two, one with any, and accumulators on and beside ties."""
    ties, any_scale, probe = cases(per_channel=False)[0], cases(per_channel=True)[2], probes(few_bits=True)[0]
    return {"ties": ties, "any": any_scale, "probe": probe}


@cache
def codes(name: str) -> dict[str, Codes]:
    """What every engine makes of a layer."""
    layer, x = layers()[name]
    return {engine: run(layer, x) for engine, run in ENGINES.items()}


def matrix(name: str) -> list[str]:
    """Of the outputs of a layer, how many differ between two engines."""
    made = codes(name)
    rows = [[a, *(str(int((made[a] != made[b]).sum())) if a != b else "" for b in ENGINES)] for a in ENGINES]
    size = made["TFLM"].size
    return [f"{size:,} outputs.", "", *table(["differ", *ENGINES], rows)[:-1]]


def contracts() -> list[str]:
    """How many codes of all three layers each contract gets wrong."""
    rows = []
    for engine in [e for e in ENGINES if not e.startswith("hwsim")]:
        wrong = {c: sum(int((contract_codes(*layers()[n], made(layers()[n][0])) != codes(n)[engine]).sum())
                        for n in layers()) for c, made in CONTRACTS.items()}  # fmt: skip
        rows.append([engine, *(f"**{n}**" if n == 0 else str(n) for n in wrong.values())])
    return table(["codes that differ", *(f"`{c}`" for c in CONTRACTS)], rows)[:-1]


def examples() -> list[str]:
    """Accumulators on which engines part: of each pattern of codes the one nearest to zero, three a layer."""
    rows = []
    for name, (layer, x) in layers().items():
        acc = layer.accumulators(x)
        ratio = np.broadcast_to(layer.ratio, acc.shape).ravel()
        made = np.stack([c.ravel() for c in codes(name).values()]).astype(int) - layer.y_zero
        part = np.flatnonzero((made != made[0]).any(0))
        found: dict[tuple[int, ...], int] = {}
        for i in part[np.argsort(np.abs(acc.ravel()[part]), kind="stable")]:
            at, codes_there = int(acc.ravel()[i]), made[:, i]
            pattern = (*(codes_there - codes_there.min()).tolist(), int(at < 0))
            if len(found) < 3 and pattern not in found:
                found[pattern] = at
                rows.append([str(at), exact(at, float(ratio[i])), *map(str, codes_there.tolist())])
    return table(["accumulator", "times the ratio", *ENGINES], rows)[:-1]


def exact(acc: int, ratio: float) -> str:
    """The product with enough digits to see on which side of a tie it lies."""
    product = acc * Fraction(ratio)
    off = product - (product.__floor__() + Fraction(1, 2))
    return (
        f"{float(product):g}, a tie" if not off else f"{float(product - off):g} {'-+'[off > 0]} {float(abs(off)):.1e}"
    )


def versions() -> list[str]:
    """Of the engines."""
    named = ("tflite_micro", "ai-edge-litert", "onnxruntime")
    return [", ".join(f"{name} {version(name)}" for name in named) + ", one thread."]


PARTS = {
    "versions": versions, "contracts": contracts, "examples": examples,
    **{name: lambda name=name: matrix(name) for name in ("ties", "any", "probe")},
}  # fmt: skip


def page(text: str) -> str:
    """The page with its numbers made again."""
    return PLACE.sub(lambda m: m[1] + "\n" + "\n".join(PARTS[m[2]]()) + "\n\n" + m[3], text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
    sys.exit(0)
