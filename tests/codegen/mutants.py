"""Damaged copies of outside models, read one after another in a process with little memory.

``python -m tests.codegen.mutants FILE COUNT SEED`` prints, as JSON, what happened to each: how many were refused and
read, and every other end with its traceback.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 20  # a file; a hang is what takes longer
MEMORY = 6 << 30  # bytes of address space: numba, ONNX Runtime and their threads reserve much


class Hang(Exception):  # noqa: N818
    """A file took too long."""


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """One to eight flipped bits, a cut, a block of other bytes, four bytes that become a large number."""
    x = np.frombuffer(data, np.uint8).copy()
    kind, at = int(rng.integers(4)), int(rng.integers(len(x)))
    if kind == 0:
        for i in rng.integers(0, len(x), int(rng.integers(1, 9))):
            x[i] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        x = x[:at]
    elif kind == 2:
        size = int(rng.integers(1, 33))
        x[at : at + size] = rng.integers(0, 256, len(x[at : at + size]))
    else:
        large = rng.choice([0x7FFFFFFF, 0xFFFFFFFF, 0x80000000]).astype("<u4").tobytes()
        x[at : at + 4] = np.frombuffer(large, np.uint8)[: len(x[at : at + 4])]
    return x.tobytes()


def read_and_run(data: bytes, suffix: str) -> str:
    """Read a file; if it can be read, it must run, too."""
    from codegen import read_onnx, read_tflite
    from hwsim.graph import Graph
    from hwsim.simulation import simulate

    try:
        made: Any = read_onnx(data) if suffix == ".onnx" else read_tflite(data)
    except ValueError as e:
        if "\n" in str(e) or not str(e):
            raise AssertionError(f"no one-line error: {e!r}") from None
        return "refused"
    if isinstance(made, Graph):
        codes = {v.name: np.zeros((1, *v.type.sample_shape), v.type.fmt.dtype) for v in made.inputs}
        simulate(made, codes, engine="numpy")
        return "read"
    try:
        made.evaluate({name: np.zeros((1, *shape), np.float32) for name, shape in made.inputs.items()})
    except ValueError as e:  # damaged numbers: a divisor below 0
        if "\n" in str(e):
            raise AssertionError(f"no one-line error: {e!r}") from None
    return "read"


def main() -> None:
    path, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def expired(*_: Any) -> None:
        raise Hang(f"more than {SECONDS} s")

    signal.signal(signal.SIGALRM, expired)
    data, ends, failures = path.read_bytes(), Counter(), []
    for i in range(count):
        signal.alarm(SECONDS)
        try:
            with np.errstate(all="ignore"):
                ends[read_and_run(damaged(data, np.random.default_rng([seed, i])), path.suffix)] += 1
        except BaseException:
            failures.append([i, traceback.format_exc()[-900:]])
        signal.alarm(0)
    print(json.dumps({"ends": ends, "failures": failures}))


if __name__ == "__main__":
    main()
