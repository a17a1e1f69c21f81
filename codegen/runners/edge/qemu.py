"""Run an image in QEMU and count instructions with a plugin of our own."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from hwsim.formats import Codes

from ..c import compilers
from .boards import Board

FILES = "-semihosting-config", "enable=on,target=native"
SILENT = "-bios", "none", "-display", "none", "-monitor", "none", "-serial", "none"


def qemu_name(board: Board) -> str:
    """What runs, for the report; empty where QEMU is not installed."""
    if not shutil.which(board.qemu):
        return ""
    return f"{board.qemu} {_version(board.qemu)} {board.machine}{f' ({board.note})' if board.note else ''}"


def run_qemu(image: Path, board: Board, *, count: bool, timeout: float) -> Codes | None:
    """Run `image` in its own folder, where the host's files lie.

    Args:
        image: what is loaded.
        board: names the machine.
        count: whether to count instructions.
        timeout: seconds, a TimeoutError after them.

    Returns:
        rows (address, how often the instruction there ran), or None.

    Raises:
        RuntimeError: QEMU's own complaint.
    """
    command = [board.qemu, "-M", board.machine, *SILENT, *FILES, "-kernel", image.name]
    if count:
        command += ["-plugin", f"{_plugin()},out=hw_counts"]
    try:
        done = subprocess.run(
            command, cwd=image.parent, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{board.qemu} did not end within {timeout:g} s") from None
    if done.returncode and not (image.parent / "hw_report").exists():
        raise RuntimeError(f"{board.qemu} ended with {done.returncode}: {done.stderr.strip()[:800]}")
    return np.fromfile(image.parent / "hw_counts", np.int64).reshape(-1, 2) if count else None


@cache
def _version(command: str) -> str:
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    return told.split("version ")[-1].split()[0]


@cache
def _plugin() -> Path:
    """The plugin, compiled once a process; ValueError where this machine has no C compiler."""
    found = compilers()
    if not found:
        raise ValueError(
            "counting instructions in QEMU needs a C compiler of this machine: install gcc, or count=False"
        )
    folder = Path(tempfile.mkdtemp(prefix="hwsim-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with as_file(files(__package__) / "bare" / "count.c") as source:
        command = [*next(iter(found.values())), "-O2", "-shared", "-fPIC", "-o", str(folder / "count.so"), str(source)]
        subprocess.run(command, capture_output=True, check=True)
    return folder / "count.so"
