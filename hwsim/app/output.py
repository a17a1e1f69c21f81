"""``--json`` of every command that prints a result: one convention, one place."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .folder import check_file

STDOUT = Path("-")
OUTPUTS = ("output", "json", "plot", "svg", "html")
"""Arguments that name what is written."""


def add_json(parser: Any, what: str = "the result") -> None:
    """Add the option."""
    text = f"{what} as JSON: into a file beside the text, or with - or nothing to stdout in place of it"
    parser.add_argument("--json", type=json_place, nargs="?", const=STDOUT, metavar="FILE.json", help=text)


def json_place(text: str) -> Path:
    """``-``, or a file. Why .json alone: whatever else follows the option by mistake is not written over."""
    if text != str(STDOUT) and Path(text).suffix.lower() != ".json":
        raise argparse.ArgumentTypeError(f"{text!r} must be a file that ends in .json, or - for stdout")
    return Path(text)


def json_first(words: Sequence[str]) -> Iterator[str]:
    """The words, a bare ``--json`` as ``--json=-``, so that ``hwsim show --json model.qg`` is what it looks like."""
    for i, word in enumerate(words):
        after = words[i + 1] if i + 1 < len(words) else ""
        bare = word == "--json" and after != str(STDOUT) and not after.lower().endswith(".json")
        yield f"--json={STDOUT}" if bare else word


def check_outputs(args: argparse.Namespace) -> None:
    """ValueError, before the long work, for a file of ``--json`` that cannot be written, or an output over an input."""
    if args.json is not None and args.json != STDOUT:
        check_file(args.json)
    named = [(name, Path(p).absolute()) for name, value in vars(args).items() for p in paths(value)]
    for output, place in [(n, Path(p)) for n in OUTPUTS for p in paths(getattr(args, n, None))]:
        also = [n for n, path in named if place != STDOUT and n != output and path == place.absolute()]
        if any(n in OUTPUTS or place.is_file() for n in also):
            raise ValueError(f"--{output} {place}: is what {also[0]!r} names too, and would be written over")


def paths(value: Any) -> Iterable[str | Path]:
    """What of an argument's value may be a path."""
    if isinstance(value, str | Path):
        return [value] if str(value) and "\0" not in str(value) else []
    return [p for part in value for p in paths(part)] if isinstance(value, list | tuple) else []


def tell(args: argparse.Namespace, text: str, document: Any) -> None:
    """Print the text, and write the document where ``--json`` wants it; to stdout it goes alone."""
    if args.json is None:
        print(text)
        return
    from ..store import write_atomically  # Why here: this file is read for --help too

    encoded = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if args.json == STDOUT:
        print(encoded, end="")
        return
    write_atomically(args.json, encoded.encode())
    print(f"{text}\n\njson: {args.json}")
