"""The command reference, read off the parsers."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator

from hwsim.app import COMMANDS, parser


def reference() -> str:
    """One section a command, with those inside it."""
    top = parser()
    listed = "\n".join(f"| [`hwsim {name}`](#hwsim-{name}) | {cell(what)} |" for name, what in COMMANDS.items())
    parts = [f"| command | |\n| --- | --- |\n{listed}", preformatted(top.epilog or "")]
    return "\n\n".join(parts + [section(p, 2) for _, p in inside(top)])


def inside(p: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands of a command."""
    for action in p._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def section(p: argparse.ArgumentParser, level: int) -> str:
    """Usage, what it does, its arguments, examples."""
    usage = textwrap.fill(" ".join(p.format_usage().split()).removeprefix("usage: "), 88, subsequent_indent="    ")
    rows = [
        row(p, a) for a in p._actions if not isinstance(a, argparse._SubParsersAction) and a.help != argparse.SUPPRESS
    ]
    table = "| argument | | default |\n| --- | --- | --- |\n" + "\n".join(rows)
    parts = [
        f"({p.prog.replace(' ', '-')})=\n{'#' * level} {p.prog}",
        plain(p.description or ""),
        preformatted(usage),
        table,
    ]
    parts += [preformatted(p.epilog)] if p.epilog else []
    return "\n\n".join([*parts, *(section(q, level + 1) for _, q in inside(p))])


def row(p: argparse.ArgumentParser, a: argparse.Action) -> str:
    """One argument, its help without the default, which has its own column."""
    metavar = (
        p._get_formatter()._format_args(a, p._get_formatter()._get_default_metavar_for_optional(a))
        if a.nargs != 0
        else ""
    )
    names = ", ".join(f"`{s} {metavar}`".replace(" `", "`") for s in a.option_strings)
    text = p._get_formatter()._expand_help(a) if a.help else ""
    said = re.search(r" \(default: (.*)\)$", text)
    default = said[1] if said else ""
    text = text[: said.start()] if said else text
    return f"| {names or f'`{metavar_of(a)}`'} | {cell(text)} | {cell(default)} |"


def metavar_of(a: argparse.Action) -> str:
    """Name of a positional argument."""
    return str(a.metavar or a.dest)


def cell(text: str) -> str:
    """Help as a cell of a table."""
    return plain(text).replace("|", "\\|")


def plain(text: str) -> str:
    """Help is no Markdown: what would be one is shown as it stands."""
    return re.sub(r"([*_<>\[\]`$])", r"\\\1", " ".join(text.split()))


def preformatted(text: str) -> str:
    """Text as it stands."""
    return f"```text\n{text}\n```"
