"""``hwsim synth --refresh``: the recorded technology tables, made again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..costs.families import FAMILIES
from ..costs.technology import TABLES
from .output import tell

WHOLE = ("gate-equivalents", "sg13g2")  # tables that the shipped hardware is estimated with: every unit


def run(args: argparse.Namespace) -> int:
    """Make a table again, unit by unit; what has not changed is kept."""
    from codegen.synthesis import library_named
    from codegen.synthesis.catalogue import CATALOGUE
    from codegen.synthesis.refresh import refresh

    name = args.refresh
    if args.files or args.vectors or args.top:
        raise ValueError(f"--refresh {name} makes the catalogue's units; leave out FILE.v, --top and --vectors")
    if unknown := sorted(set(args.only) - {f.name for f in FAMILIES}):
        raise ValueError(f"--only {unknown[0]}: no such family; there are {', '.join(f.name for f in FAMILIES)}")
    entries = [e for e in CATALOGUE if e.everywhere or args.all or name in WHOLE]
    chosen = [e for e in entries if not args.only or e.family in args.only]
    if not chosen:
        raise ValueError(f"--refresh {name}: it holds no unit of {', '.join(args.only)}; --all takes every unit")
    library = library_named(args.lib or name, leave_out=tuple(args.leave_out), licence=args.licence)
    path = args.output or TABLES / f"{name}.json"
    if args.only and path.is_file():
        raise ValueError(f"--only {args.only[0]}: {path.name} holds other units too; write elsewhere with -o")

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    made = refresh(name, library, chosen, Path(path), say, again=args.again)
    text = f"{path}: {len(chosen)} units of {library.name} ({library.source}), {made} of them made now"
    tell(args, text, {"file": str(path), "units": len(chosen), "library": library.name, "made": made})
    return 0
