"""The command `hwsim`, one file a command; the only place that sees all rooms, and it imports them inside commands."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .errors import Parser, explained, internal
from .output import check_outputs, json_first
from .verbosity import listening

COMMANDS = {
    "build": "the main job: quantize, verify, write C, ONNX and a report",
    "simulate": "run a graph on inputs",
    "emit": "write a graph as C or ONNX",
    "verify": "compare engines bit for bit",
    "explain": "why another engine's codes are off by one",
    "show": "print a graph: layers, memory, contract, recipe",
    "memory": "flash and RAM before flashing, as table and picture",
    "params": "multiplier, shift and offsets from scales",
    "fit-lut": "fit a piecewise-linear table, with its distance from the optimum",
    "compare": "what number formats cost, on tensors or as a model's weights",
    "estimate": "area, energy and cycles on hardware",
    "sweep": "explore formats, accumulators, tables and hardware: the Pareto front",
    "synth": "area, depth and power of Verilog, by Yosys and a cell library",
    "bench": "measure a part of the project beside published figures",
    "train": "train an example model",
    "doctor": "what is installed and what it enables",
    "completion": "print what lets a shell complete commands, options and names",
}
"""Command -> its line in ``hwsim --help``. Its file, named after it, is imported for that command alone."""
EXAMPLES = """examples:
  hwsim build -o build/                  the shipped example: quantize, verify, C, ONNX, report
  hwsim build mymodel:net --calibrate data.npz -o build/
  hwsim verify build/model.qg            is every engine still equal, bit for bit?
  hwsim params 0.0123                    multiplier and shift of every contract
  hwsim build --help                     more on one command

exit status: 0 fine, 1 engines differ, 2 bad input or usage"""


@dataclass(frozen=True)
class Commands:
    """What a command adds its parser to."""

    action: Any

    def add_parser(self, name: str, **described: Any) -> Parser:
        """A parser whose line in the overview is the one of `COMMANDS`."""
        made: Parser = self.action.add_parser(name, **{**described, "help": COMMANDS[name]})
        return made


def parser(wanted: Collection[str] = tuple(COMMANDS)) -> Parser:
    """The command line: all commands by name, the options of those that are `wanted`."""
    from .. import __version__

    p = Parser(
        prog="hwsim",
        description="One integer graph, the same bits everywhere: quantize, simulate, emit C and ONNX, verify.",
        epilog=EXAMPLES,
    )
    p.add_argument("--version", action="version", version=f"hwsim {__version__}")
    p.set_defaults(verbose=False, quiet=False, json=None)
    commands = Commands(p.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser))
    for name in COMMANDS:
        if name in wanted:
            import_module(f".{name.replace('-', '_')}", __name__).add(commands)
        else:
            commands.add_parser(name)
    return p


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """What a command line says."""
    check_words(words)
    named = next((w for w in words if not w.startswith("-")), "")
    return parser((named,)).parse_args(json_first(words))


def check_words(words: Sequence[str]) -> None:
    """ValueError for an empty word. Why: from an unset variable it would be this folder, or as if it were not there."""
    for i, word in enumerate(words):
        if not word or (word.startswith("--") and word.endswith("=")):
            before = f" behind {words[i - 1]!r}" if i and not word else ""
            raise ValueError(f"argument {word!r}{before} is empty: give a value (an unset shell variable?)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status. Errors of input, and tools that fail, become one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    try:
        return flushed(run(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        print("hwsim: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output left: say nothing; the status a shell gives for SIGPIPE
        forget_stdout()
        return 141
    except (ValueError, OSError, ImportError, RuntimeError) as e:
        print(f"hwsim: {explained(e)}", file=sys.stderr)
    except Exception as e:  # Why: Python's own status for a traceback is 1, which here says that engines differ
        print(f"hwsim: {internal(e)}", file=sys.stderr)
    return 2


def run(words: Sequence[str]) -> int:
    """Parse a command line and run its command."""
    try:
        args = parsed(words)
    except SystemExit as e:  # --help and --version
        return e.code if isinstance(e.code, int) else 0
    import numpy as np  # Why here: --help and --version need none

    # Why: numpy would warn of overflow in user data before our own checks name the culprit.
    with listening(args.verbose), np.errstate(over="ignore", invalid="ignore"):
        check_outputs(args)
        status: int = args.run(args)
    return status


def flushed(status: int) -> int:
    """The status, once all output is where it should go; OSError where it cannot, a full disk for one."""
    if sys.stdout is not None:  # closed by the shell
        try:
            sys.stdout.flush()
        except OSError:
            forget_stdout()
            raise
    return status


def forget_stdout() -> None:
    """Send what is left to nowhere. Why: Python would flush it again at exit, and complain."""
    with contextlib.suppress(OSError, ValueError):
        stdout = sys.stdout.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
