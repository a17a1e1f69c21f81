"""``hwsim completion``: a script for bash, zsh or fish that completes commands, options, names and files.

The script is static: made once from the parsers, by shtab, so that no key press starts Python.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from .completion_names import names

SHELLS = ("bash", "zsh", "fish")
EXAMPLES = """examples:
  hwsim completion bash > ~/.local/share/bash-completion/completions/hwsim
  hwsim completion zsh > ~/.zfunc/_hwsim          with fpath+=~/.zfunc before compinit in ~/.zshrc
  hwsim completion fish > ~/.config/fish/completions/hwsim.fish

The folder must exist; a new shell has it then. Make the script again after an update: it holds the names of this
version's options, contracts, targets, hardware and models."""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "completion",
        description="Print a script that lets a shell complete commands, options, files and names.",
        epilog=EXAMPLES,
    )
    p.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    try:
        import shtab
    except ImportError:
        raise ValueError("completion needs the package shtab, which is not installed: pip install shtab") from None
    from . import parser

    whole = parser()
    for command, action in arguments(whole):
        mark(command, action)
    print(shtab.complete(whole, shell=args.shell))
    return 0


def arguments(parser: argparse.ArgumentParser, command: str = "") -> Iterator[tuple[str, argparse.Action]]:
    """Every argument that takes a value, with its command: ``emit c``, ``--target``."""
    for action in parser._actions:  # Why private: argparse has no other way to list them; shtab takes it too
        if isinstance(action, argparse._SubParsersAction):
            for name, made in action.choices.items():
                yield from arguments(made, f"{command} {name}".strip())
        elif action.nargs != 0:
            yield command, action


def mark(command: str, action: argparse.Action) -> None:
    """Say how the argument is completed, where it can be: by its names, by files, by both."""
    if not action.choices and ((known := names(command, action.dest)) or kind_of(action)):
        action.complete = either(known, kind_of(action))  # type: ignore[attr-defined]


def kind_of(action: argparse.Action) -> str:
    """``file``, ``directory`` or nothing, by what help calls the argument."""
    shown = str(action.metavar)
    if "DIR" in shown:
        return "directory"
    return "file" if re.search(r"MODEL|FILE|LIBRARY|HW|\w\.\w", shown) else ""


def either(names: Sequence[str], kind: str) -> dict[str, Any]:
    """What shtab writes into each script: names, and files or folders beside them."""
    function = f"_hwsim_{crc32(repr((names, kind)).encode()):08x}"
    words = shlex.join(names)
    flag = {"file": "-f", "directory": "-d", "": ""}[kind]
    found = {"file": "_files", "directory": "_files -/", "": ":"}[kind]
    paths = {"file": "(__fish_complete_path (commandline -ct))", "directory": "(__fish_complete_directories)", "": ""}
    more = f"compgen {flag} -- $1" if flag else ":"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"{paths[kind]} {words}".strip(),
        "preamble": {
            "bash": f'{function}() {{\n  compgen -W "{words}" -- $1\n  {more}\n}}',
            "zsh": f"{function}() {{\n  compadd -- {words}\n  {found}\n}}",
        },
    }
