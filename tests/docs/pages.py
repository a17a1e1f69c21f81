"""What a page asks its reader to do: the code, the commands, the files, in order."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "evidence" not in p.parts)
FENCE = re.compile(r"^```(\{code-block\} )?(\w+)\n(?::caption: `?([^\n`]+)`?\n\n?)?(.*?)^```$", re.M | re.S)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """One fenced block: language, the file it is about (or nothing), text, line."""

    language: str
    path: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page."""
    text = page.read_text()
    return [Block(m[2], m[3] or "", m[4], text.count("\n", 0, m.start()) + 2) for m in FENCE.finditer(text)]


def run_python(page: Path) -> int:
    """The page's Python sessions, one after the other in one namespace; how many lines were compared."""
    parser, names = doctest.DocTestParser(), {}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    for block in blocks(page):
        if block.language == "pycon":
            session = parser.get_doctest(block.text, names, page.name, str(page), block.line - 1)
            runner.run(session, out=report.append, clear_globs=False)
            names = session.globs
    assert not runner.failures, "".join(report)
    return runner.tries


def run_commands(text: str, folder: Path, **environment: str) -> int:
    """``$ command`` lines of a console block, each followed by what it prints; how many ran."""
    steps = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", text, re.M)
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **environment}
    for command, wanted in steps:
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
        got = done.stdout + done.stderr
        assert done.returncode == 0, f"$ {command}\n{got}"
        assert not wanted or doctest.OutputChecker().check_output(wanted, got, FLAGS), (
            f"$ {command}\n{got}\nwanted\n{wanted}"
        )
    return len(steps)


def write_or_edit(block: Block, tree: Path) -> None:
    """A block with a path is that file; a diff changes one: its lines without ``+`` must stand there once, in order."""
    path = tree / block.path
    if block.language != "diff":
        assert not path.exists(), f"{block.path} is new on this page, and there is one"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        return
    for hunk in re.split(r"^@@.*\n", block.text, flags=re.M):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        text = path.read_text()
        assert text.count(before) == 1, f"{block.path} has {text.count(before)} times\n{before}"
        path.write_text(text.replace(before, after))
