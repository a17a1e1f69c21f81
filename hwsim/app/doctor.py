"""``hwsim doctor``: what is installed, what each piece enables, and how to get what is missing."""

from __future__ import annotations

import argparse
import os
import platform
from typing import Any

from ..reports.text import text_table
from .doctor_pieces import PIECES
from .output import add_json, tell

EXAMPLES = """examples:
  hwsim doctor
  hwsim doctor --json | jq -r '.pieces[] | select(.version == null) | .install'"""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "doctor",
        description="List packages and tools: what is there, what each enables, how to get the rest.",
        epilog=EXAMPLES,
    )
    add_json(p, "the tables")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from .. import __version__

    here = {
        "hwsim": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
    }
    found = [
        {"kind": kind, "name": p.name, "version": p.find() or None, "enables": p.enables, "install": p.install}
        for kind, pieces in PIECES.items()
        for p in pieces
    ]
    tell(args, text(here, found), {**here, "pieces": found})
    return 0


def text(here: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """A table a kind."""
    parts = ["hwsim {hwsim}, Python {python}, {system}, {cores} cores".format(**here)]
    for kind in PIECES:
        rows = [
            [p["name"], p["version"] or f"missing: {p['install']}", p["enables"]] for p in found if p["kind"] == kind
        ]
        parts.append(text_table((kind, "version", "enables"), rows))
    missing = sum(not p["version"] for p in found)
    verdict = f"{missing} of {len(found)} are missing; the rest of hwsim works without" if missing else "all are there"
    return "\n\n".join([*parts, verdict])
