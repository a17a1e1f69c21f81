"""``hwsim train``: train one of this project's example models."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .folder import check_folder, place

EXAMPLES = """examples:
  hwsim train mlp
  hwsim train mlp --seed 3 -o out/"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "train",
        help="train an example model",
        description="Train an example model from scratch (needs torch and the data set).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("name", metavar="NAME", help="such as mlp")
    p.add_argument("--seed", type=int, default=0, help="of weights and shuffling (default: 0)")
    p.add_argument("-o", "--output", type=place, metavar="DIR", default="trained", help="folder (default: trained/)")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    folder: Path = args.output
    check_folder(folder)
    from algos.training import train

    print(f"training {args.name}, seed {args.seed}")
    train(args.name, seed=args.seed, out=folder)
    print(f"written to {folder}")
    return 0
