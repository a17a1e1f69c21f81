"""The pages become HTML without a warning, and every link inside leads somewhere; nothing is loaded from elsewhere."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from algos import __all__ as algos_names
from codegen import __all__ as codegen_names
from hwsim import __all__ as hwsim_names
from hwsim.app import COMMANDS
from hwsim.formats import FORMATS
from hwsim.ops import OPS

from .pages import DOCS


class Links(HTMLParser):
    """Anchors of a page, where its links lead, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {k: v or "" for k, v in attrs}
        self.anchors |= {given[k] for k in ("id", "name") if k in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.loaded += [given[k] for k in ("src", "href") if k in given and tag in ("script", "link", "img", "iframe")]


@cache
def parsed(page: Path) -> Links:
    """One page."""
    return Links(page.read_text())


def built(folder: Path) -> Path:
    """The pages as HTML."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "trees")]
    done = subprocess.run([*command, str(DOCS), str(folder / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def broken(folder: Path) -> list[str]:
    """Links that lead nowhere; of those to the web the form alone is checked."""
    pages = {p: parsed(p) for p in folder.rglob("*.html")}
    wrong = []
    for page, found in pages.items():
        for link in found.links + found.loaded:
            to = urlsplit(link)
            if to.scheme or to.netloc:
                good = to.scheme in ("http", "https") and "." in to.netloc and " " not in link
            else:
                target = (page.parent / unquote(to.path)).resolve() if to.path else page
                anchors = pages[target].anchors if target in pages else set()
                good = target.is_file() and (not to.fragment or unquote(to.fragment) in anchors)
            wrong += [] if good else [f"{page.relative_to(folder)}: {link}"]
    return wrong


def test_pages_become_html_whose_links_lead_somewhere(tmp_path: Path) -> None:
    """One test, so that one worker builds once."""
    html = built(tmp_path)
    pages = [parsed(p) for p in html.rglob("*.html")]
    assert sum(len(p.links) for p in pages) > 300
    assert broken(html) == []
    assert [link for p in pages for link in p.loaded if urlsplit(link).netloc] == [], "loaded from elsewhere"
    sources = {p.relative_to(DOCS).with_suffix(".html") for p in DOCS.rglob("*.md")}
    assert len(sources) >= 12
    assert [p for p in sources if not (html / p).is_file()] == []
    check_reference(html)


def check_reference(html: Path) -> None:
    """Every op, command and public name has its place."""
    operators, commands, python = (parsed(html / f"reference/{n}.html") for n in ("operators", "commands", "python"))
    assert {f"op-{op.name.replace('_', '-')}" for op in OPS} <= operators.anchors
    assert {f"hwsim-{name}" for name in COMMANDS} <= commands.anchors
    named = {"hwsim": hwsim_names, "codegen": codegen_names, "algos": algos_names}
    wanted = {f"{room}.{name}" for room, names in named.items() for name in names}
    assert {w for w in wanted if not {w, f"module-{w}"} & python.anchors} == set()
    text = (html / "reference/python.html").read_text()
    assert [name for name in FORMATS if f">{name}<" not in text] == []


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="here"><a href="#here">1</a><a href="b.html#there">2</a></p>')
    (tmp_path / "b.html").write_text('<a href="a.html#no">3</a><a href="c.html">4</a><a href="https://x y">5</a>')
    assert sorted(broken(tmp_path)) == [
        "a.html: b.html#there",
        "b.html: a.html#no",
        "b.html: c.html",
        "b.html: https://x y",
    ]
