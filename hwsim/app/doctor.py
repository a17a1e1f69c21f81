"""``hwsim doctor``: what is installed, and what each piece enables."""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..reports.text import text_table
from .errors import EXTRAS

PACKAGES = {
    "numpy": "the definition of every op",
    "numba": "fast simulation, verify --against numba",
    "jinja2": "emit c, emit onnx, report.html",
    "tqdm": "progress bars",
    "onnx": "emit onnx, verify --against onnx_reference",
    "onnxruntime": "verify --against ort",
    "torch": "build package.module:function, train",
    "deap": "genetic table fits",
}
HARDWARE = {
    "iverilog": "verify --against verilog",
    "yosys": "synth, synth --refresh; estimate serves without",
}
COMPILERS = ("cc", "gcc", "clang")
EDGE = {  # command: (Debian's package, what it enables)
    "arm-none-eabi-gcc": ("gcc-arm-none-eabi", "C for Cortex-M"),
    "riscv64-unknown-elf-gcc": ("gcc-riscv64-unknown-elf", "C for RISC-V, bare metal"),
    "qemu-system-arm": ("qemu-system-arm", "verify --against cortex-m0 .. cortex-m55"),
    "qemu-system-riscv32": ("qemu-system-misc", "verify --against riscv32"),
    "qemu-system-riscv64": ("qemu-system-misc", "verify --against riscv64"),
}


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "doctor",
        help="what is installed and what it enables",
        description="List packages, C compilers and emulators found, and what each enables.",
        epilog="example:\n  hwsim doctor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from .. import __version__

    print(f"hwsim {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    rows = [[name, found(name) or missing(name), enables] for name, enables in PACKAGES.items()]
    print(text_table(("package", "version", "enables"), rows), end="\n\n")
    tools = [[name, compiler(name) or "not found", "verify --against c"] for name in COMPILERS]
    tools.append(["zig cc", found("ziglang") or "not found (pip install ziglang)", "clang without installing clang"])
    print(text_table(("compiler", "version", "enables"), tools), end="\n\n")
    edge = [[name, compiler(name) or f"not found (apt-get install {deb})", what] for name, (deb, what) in EDGE.items()]
    edge.append(
        ["zig cc", found("ziglang") or "not found (pip install ziglang)", "in place of both, but for Cortex-M55"]
    )
    edge.append(
        ["unicorn", found("unicorn") or "not found (pip install unicorn)", "in place of QEMU, but for Cortex-M55"]
    )
    print(text_table(("microcontrollers", "version", "enables"), edge), end="\n\n")
    rtl = [[n, compiler(n, "-V") or f"not found (apt-get install {n})", what] for n, what in HARDWARE.items()]
    rtl.append(["osu018", osu018(), "synth --lib osu018, a real library beside the gate equivalents"])
    print(text_table(("hardware", "version", "enables"), rtl))
    return 0


def osu018() -> str:
    """Whether Debian's cells are there."""
    try:
        from codegen.synthesis import library_named

        return library_named("osu018").source
    except ImportError:
        return "needs hwsim[codegen]"
    except ValueError:
        return "not found (apt-get install qflow-tech-osu018)"


def found(package: str) -> str:
    """Version of an installed package, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def missing(package: str) -> str:
    """How to get a package."""
    return (
        f"missing: pip install 'hwsim[{EXTRAS[package]}]'" if package in EXTRAS else f"missing: pip install {package}"
    )


def compiler(name: str, option: str = "--version") -> str:
    """First line of what a compiler says of itself, or nothing."""
    path = shutil.which(name)
    if path is None:
        return ""
    try:
        told = subprocess.run([path, option], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"does not run: {e}"
    return told.partition("\n")[0] or "says nothing of its version"
