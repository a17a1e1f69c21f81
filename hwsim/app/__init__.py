"""The command `hwsim`, one file a command; the only place that sees all rooms, and it imports them inside commands."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence

import numpy as np

from . import (
    bench,
    build,
    compare,
    doctor,
    emit,
    estimate,
    explain,
    fit_lut,
    memory,
    params,
    show,
    simulate,
    synth,
    train,
    verify,
)
from .errors import Parser, explained, internal

COMMANDS = (
    build,
    simulate,
    emit,
    verify,
    explain,
    show,
    memory,
    params,
    fit_lut,
    compare,
    estimate,
    synth,
    bench,
    train,
    doctor,
)
EXAMPLES = """examples:
  hwsim build -o build/                  the shipped example: quantize, verify, C, ONNX, report
  hwsim build mymodel:net --calibrate data.npz -o build/
  hwsim verify build/model.qg            is every engine still equal, bit for bit?
  hwsim params 0.0123                    multiplier and shift of every contract
  hwsim COMMAND --help                   more on one command

exit status: 0 fine, 1 engines differ, 2 bad input or usage"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    from .. import __version__

    p = Parser(
        prog="hwsim",
        description="One integer graph, the same bits everywhere: quantize, simulate, emit C and ONNX, verify.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--version", action="version", version=f"hwsim {__version__}")
    commands = p.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status. Errors of input, and tools that fail, become one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        # Why: numpy would warn of overflow in user data before our own checks name the culprit.
        with np.errstate(over="ignore", invalid="ignore"):
            args = parser().parse_args(argv)
            status: int = args.run(args)
        sys.stdout.flush()
        return status
    except SystemExit as e:  # --help and --version
        return e.code if isinstance(e.code, int) else 0
    except KeyboardInterrupt:
        print("hwsim: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return _quiet_pipe()
    except (ValueError, OSError, ImportError, RuntimeError) as e:
        print(f"hwsim: {explained(e)}", file=sys.stderr)
    except Exception as e:  # Why: Python's own status for a traceback is 1, which here says that engines differ
        print(f"hwsim: {internal(e)}", file=sys.stderr)
    return 2


def _quiet_pipe() -> int:
    """The reader of our output left: say nothing, not even at exit; the status a shell gives for SIGPIPE."""
    with contextlib.suppress(OSError, ValueError):
        stdout = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return 141
