"""The numbers on the pages are computed: every Python session and every command prints what stands below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import DOCS, PAGES, blocks, run_commands, run_python

HOWTO = "howto"  # test_howto.py follows those


def having(*languages: str) -> list[Path]:
    return [p for p in PAGES if any(b.language in languages for b in blocks(p)) and p.parent.name != HOWTO]


def name(page: Path) -> str:
    return str(page.relative_to(DOCS))


@pytest.mark.parametrize("page", having("pycon"), ids=name)
def test_python_prints_what_the_page_says(page: Path) -> None:
    assert run_python(page) > 3


@pytest.mark.parametrize("page", having("console"), ids=name)
def test_commands_print_what_the_page_says(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.path:
            (tmp_path / block.path).write_text(block.text)
        elif block.language == "console":
            assert run_commands(block.text, tmp_path)


def test_a_block_is_run_or_shown_and_no_third_thing() -> None:
    """A ``python`` fence would look run and would not be."""
    known = {"pycon", "console", "text", "toctree", "python", "c", "jinja", "diff", "toml", "sh"}
    assert {b.language for p in PAGES for b in blocks(p)} <= known
    bare = [(name(p), b.line) for p in PAGES for b in blocks(p) if b.language == "python" and not b.path]
    assert bare == []
