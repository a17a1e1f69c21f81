"""Run Verilog units in Icarus Verilog: words in from a file, result codes out to another."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwsim.formats import Codes

from ..render import render
from ..rtl import Unit
from ..rtl.module import BENCH, Module
from ..rtl.unit import Stimulus
from ..verilog import emit_verilog


def has_icarus() -> bool:
    """Whether Icarus Verilog is at hand."""
    return all(map(shutil.which, ("iverilog", "vvp")))


@cache
def icarus_version() -> str:
    """``Icarus Verilog 11.0``; ValueError where it is missing."""
    if not has_icarus():
        raise ValueError("no Verilog simulator found: install Icarus Verilog (Debian: apt-get install iverilog)")
    text = subprocess.run(["iverilog", "-V"], capture_output=True, text=True).stdout
    found = re.search(r"version (\S+)", text)
    return f"Icarus Verilog {found[1] if found else 'of unknown version'}"


def run_unit(
    unit: Unit, codes: Mapping[str, NDArray[Any]], verilog: Mapping[str, str] | None = None
) -> dict[str, Codes]:
    """Result codes by port, of the unit in Verilog, one a cycle of `codes`, after its tables are loaded."""
    icarus_version()
    module, words = unit.module, stimulus_words(unit, codes)
    texts = dict(emit_verilog(unit) if verilog is None else verilog)
    texts["hw_bench.v"] = bench(module, len(words), unit.latency, len(words) - len(codes[next(iter(codes))]))
    width = sum(p.bits or 1 for p in _data(module))
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text)
        (Path(folder) / "words.hex").write_text("".join(f"{w:0{-(-width // 4)}x}\n" for w in words))
        _call(["iverilog", "-g2001", "-Wall", "-s", BENCH, "-o", "hw_bench.vvp", *texts], folder)
        _call(["vvp", "-n", "hw_bench.vvp"], folder)
        results = (Path(folder) / "results.hex").read_text().split()
    return _codes(unit, results)


def _call(command: list[str], folder: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode or done.stderr:  # Why stderr: a warning is an error here
        raise RuntimeError(f"{command[0]} exited {done.returncode}: {(done.stderr or done.stdout)[:800]}")


def bench(module: Module, count: int, latency: int, skip: int) -> str:
    """The test bench: `count` words in, of which `skip` load tables."""
    data, at, connections = _data(module), 0, [(p.name, "clk") for p in module.ports if p.name == "clk"]
    for p in data:
        width = p.bits or 1
        connections.append((p.name, f"word[{at + width - 1}:{at}]"))
        at += width
    outputs = [p for p in module.ports if p.output]
    connections += [(p.name, p.name) for p in outputs]
    return render(
        "verilog", "bench", name=BENCH, unit=module, width=at, count=count, latency=latency, skip=skip,
        outputs=outputs, connections=connections,
    )  # fmt: skip


def stimulus_words(unit: Unit, codes: Mapping[str, NDArray[Any]]) -> list[int]:
    """All input ports of each cycle as one integer, the first port in the low bits: loading first, then `codes`."""
    loading: Stimulus = unit.setup()
    words: list[int] = []
    for part in (loading, codes):
        if not part:
            continue
        total, at = [0] * len(part[next(iter(part))]), 0
        for p in _data(unit.module):
            width = p.bits or 1
            if p.name in part:
                total = [t | v << at for t, v in zip(total, port_words(part[p.name], width), strict=True)]
            at += width
        words += total
    return words


def port_words(codes: NDArray[Any], width: int) -> list[int]:
    """Codes as the bits of a port of `width` bits; lanes side by side, the first in the low bits."""
    if codes.ndim == 1:
        mask = (1 << width) - 1
        return [int(c) & mask for c in codes.tolist()]
    lane = width // codes.shape[1]
    mask = (1 << lane) - 1
    return [sum((int(c) & mask) << (lane * i) for i, c in enumerate(row)) for row in codes.tolist()]


def _data(module: Module) -> list[Any]:
    return [p for p in module.ports if not p.output and p.name != "clk"]


def _codes(unit: Unit, results: list[str]) -> dict[str, Codes]:
    """Bits as codes of each result's format; the first output is in the high bits."""
    for i, r in enumerate(results):
        if not set(r) <= set("0123456789abcdef"):
            raise RuntimeError(f"unit {unit.module.name}: result {r} of vector {i} is unknown (X)")
    words, codes, at = [int(r, 16) for r in results], {}, 0
    for port, fmt in reversed(list(unit.results.items())):
        bits = [w >> at & ((1 << fmt.bits) - 1) for w in words]
        if fmt.min_code < 0:
            bits = [b - (1 << fmt.bits) if b >> (fmt.bits - 1) else b for b in bits]
        codes[port] = np.array(bits, fmt.dtype)
        at += fmt.bits
    return codes
