"""How to add an op, an algorithm, a target: each page is followed literally in a copy of the project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .pages import DOCS, blocks, run_commands, write_or_edit

ROOT = DOCS.parent
COPIED = ("hwsim", "codegen", "algos", "tests", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")
GUIDES = sorted((DOCS / "howto").glob("*.md"))


def copied(tree: Path) -> Path:
    """The sources alone, without what was compiled."""
    tree.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "evidence"))
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


@pytest.mark.parametrize("page", GUIDES, ids=lambda p: p.stem)
def test_the_page_can_be_followed(page: Path, tmp_path: Path) -> None:
    tree, ran = copied(tmp_path / "tree"), 0
    for block in blocks(page):
        if block.path:
            write_or_edit(block, tree)
        elif block.language == "console":
            ran += run_commands(block.text, tree, PYTHONPATH=str(tree))
    assert ran >= 2


def test_all_three_are_there() -> None:
    assert [p.stem for p in GUIDES] == ["algorithm", "op", "target"]


def test_an_edit_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\nx = 1\n")
    from .pages import Block

    for text in (" x = 1\n+z = 3\n", "-y = 3\n"):  # twice there; not there
        with pytest.raises(AssertionError, match="times"):
            write_or_edit(Block("diff", "a.py", text, 1), tmp_path)
    write_or_edit(Block("diff", "a.py", " x = 1\n-y = 2\n+y = 3\n+z = 4\n", 1), tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 1\ny = 3\nz = 4\nx = 1\n"


def test_a_command_that_fails_or_prints_something_else_is_seen(tmp_path: Path) -> None:
    assert run_commands("$ echo one; echo two\none\ntwo\n$ echo three\n", tmp_path) == 2
    for wrong in ("$ echo one\ntwo\n", "$ false\n"):
        with pytest.raises(AssertionError):
            run_commands(wrong, tmp_path)
