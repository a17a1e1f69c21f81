"""``hwsim train``: train one of this project's example models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .folder import check_folder, place
from .output import add_json, tell

EXAMPLES = """examples:
  hwsim train mlp
  hwsim train mlp --seed 3 -o out/"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "train",
        description="Train an example model from scratch (needs torch and the data set).",
        epilog=EXAMPLES,
    )
    p.add_argument("name", metavar="NAME", help="such as mlp")
    p.add_argument("--seed", type=int, default=0, help="of weights and shuffling (default: 0)")
    p.add_argument("-o", "--output", type=place, metavar="DIR", default="trained", help="folder (default: trained/)")
    add_json(p, "what was trained")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    folder: Path = args.output
    check_folder(folder)
    from algos.training import train

    found = train(args.name, seed=args.seed, out=folder, quiet=args.quiet)
    text = ", ".join(f"{key} {value}" for key, value in found.items())
    tell(args, f"{text}\nwritten to {folder}", {**found, "folder": str(folder)})
    return 0
