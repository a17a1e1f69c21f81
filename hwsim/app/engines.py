"""The option ``--against``: which engines a graph is checked on."""

from __future__ import annotations

import argparse


def add_against(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--against",
        metavar="ENGINES",
        help="engines to compare with the numpy definition, comma separated (default: numba,c,ort,onnx_reference); "
        "also verilog, x86-64 (its kernels, -march=native) and emulated microcontrollers: cortex-m0, cortex-m3, "
        "cortex-m4, cortex-m7, cortex-m55, riscv32imc, riscv64gc",
    )


def engines(args: argparse.Namespace) -> tuple[str, ...]:
    """The engines asked for, each once; ValueError for unknown ones."""
    from codegen.checks import AGAINST
    from codegen.runners import RUNNERS

    if args.against is None:
        return AGAINST
    asked = tuple(dict.fromkeys(part.strip() for part in args.against.split(",") if part.strip()))
    if not asked:
        raise ValueError(f"--against names no engine: use {', '.join(RUNNERS)}")
    if unknown := [a for a in asked if a not in RUNNERS]:
        raise ValueError(f"--against {','.join(unknown)}: unknown engine; use {', '.join(RUNNERS)}")
    return asked
