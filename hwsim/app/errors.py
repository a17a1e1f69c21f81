"""One line for the user: the culprit, and what to do."""

from __future__ import annotations

import argparse
import traceback
from pathlib import Path
from typing import Any, NoReturn

from .verbosity import add_verbosity

EXTRAS = {
    "onnx": "codegen",
    "onnxruntime": "codegen",
    "torch": "algos",
    "deap": "algos",
    "distributed": "sweep",
    "pyarrow": "sweep",
}
LIMIT = 2000  # characters of one message; names are cut long before


class Parser(argparse.ArgumentParser):
    """argparse whose usage errors are ValueErrors, which `main` prints like all others; -v and -q are in each."""

    def __init__(self, **described: Any) -> None:
        # Why no abbreviations: one that works today is ambiguous, or another option, with the next release.
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **described}, allow_abbrev=False)
        add_verbosity(self)

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def explained(error: Exception) -> str:
    """`error` in one printable line."""
    if isinstance(error, ModuleNotFoundError):
        text = missing_module(error)
    elif isinstance(error, UnicodeError) or not isinstance(error, OSError) or error.strerror is None:
        text = str(error) or type(error).__name__
    else:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return one_line(text)


def internal(error: Exception) -> str:
    """A fault of ours in one line, with the place that a report of it needs."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return one_line(f"internal error at {place}, please report it: {type(error).__name__}: {error}")


def missing_module(error: ModuleNotFoundError) -> str:
    """What to install for an optional package."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return str(error)
    extra = EXTRAS[package]
    hint = " (verify --against numba,c does without)" if extra == "codegen" else ""
    return f"this needs the package {package}, which is not installed: pip install 'hwsim[{extra}]'{hint}"


def one_line(text: str) -> str:
    """Lines are joined by semicolons, other unprintable characters become escapes, and long texts end early."""
    flat = "; ".join(" ".join(line.split()) for line in text[: 2 * LIMIT].splitlines() if line.strip())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in flat)
    return shown if len(shown) <= LIMIT else shown[:LIMIT] + " ..."
