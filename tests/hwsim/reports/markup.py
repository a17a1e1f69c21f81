"""Is a piece of HTML well formed, and what does it say?"""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "meta", "img", "hr"}


class Reader(HTMLParser):
    """Every tag is closed, in order; texts and tags are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert len(dict(attrs)) == len(attrs), f"attributes of {tag} repeat: {attrs}"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


def read(html: str) -> Reader:
    """The reader after all of it; AssertionError where it is not well formed."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert {"script", "iframe", "link"}.isdisjoint(reader.tags)
    return reader


def words(html: str) -> str:
    """All texts."""
    return " ".join(" ".join(read(html).texts).split())
