import re
from html.parser import HTMLParser

import numpy as np
import pytest

from hwsim.reports import render_html
from hwsim.reports.html import page_view
from hwsim.reports.wording import name

from .networks import EQUAL, HOSTILE, broken, small_front
from .test_report import made

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Checks nesting; keeps tags, attributes and text."""

    def __init__(self) -> None:
        super().__init__()
        self.stack, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.stack
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if "style" not in self.stack:
            self.text.append(data)


def parsed(page: str) -> Page:
    p = Page()
    p.feed(page)
    p.close()
    assert p.stack == []
    return p


def test_page_is_well_formed_self_contained_and_says_the_verdict():
    page = render_html(made(labels=np.zeros(100, np.int64)))
    p = parsed(page)
    text = " ".join(p.text)
    assert "Every code equal on 1 engine: c" in text
    assert "dyadic16" in text
    assert not {"script", "link", "img", "iframe", "object"} & set(p.tags)
    assert not [a for a in p.attributes if a[0] in ("src", "href", "onload", "style")]
    assert not re.search(r"https?://|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page
    assert ("lang", "en") in p.attributes


def test_the_same_report_gives_the_same_page():
    assert render_html(made()) == render_html(made())


def test_a_mismatch_is_explained():
    text = " ".join(parsed(render_html(made([EQUAL, broken()]))).text)
    assert "7 codes differ on c" in text
    assert "node 2 (requant)" in text
    assert "Every code equal" not in text


def test_hostile_names_are_escaped_and_cut():
    report = made([broken(HOSTILE)], front=small_front(HOSTILE, HOSTILE))
    report["model"]["source"] = report["data"]["description"] = HOSTILE
    report["versions"]["<b>"] = report["recipe"]["weights"] = HOSTILE
    page = render_html(report)
    p = parsed(page)
    assert "script" not in p.tags
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "x" * 400 not in page
    assert max(len(t) for t in p.text) < 1500


def test_every_table_heading_has_a_scope_and_every_scroll_box_can_be_focused():
    page = render_html(made())
    assert page.count("<th ") == page.count("<th scope=")
    assert page.count('class="scroll"') == page.count('tabindex="0"')


def test_undefined_names_in_templates_are_errors():
    view = page_view(made())
    assert all(v is not None for v in view.values())
    for bar in (b for chart in view["charts"] for b in chart["bars"]):
        assert all(0 <= float(width) <= 101 for _, _, width in bar["parts"])


def test_a_lone_surrogate_can_be_written():
    report = made(front=small_front("bad\ud800name"))
    assert b"bad" in render_html(report).encode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("fc1", "fc1"), ("a\nb", "a\\nb"), ("\u202e", "\\u202e"), ("ü", "ü"), ("y" * 99, "y" * 39 + "…"), ("", "")],
)
def test_names_as_shown(text, shown):
    assert name(text) == shown


def test_long_charts_keep_the_extremes():
    """Forty bars: the smallest SQNRs, the largest memories, in the graph's order; long names keep their end."""
    report = made()
    (layer,) = [x for x in report["layers"] if x["sqnr_db"] is not None][:1]
    many = [
        {**layer, "op": "matmul", "value": f"block.{i}.attention.projection", "sqnr_db": float(i), "result_bytes": i}
        for i in (*range(60, 0, -1), *range(61, 101))
    ]
    sqnr, _, memory = page_view({**report, "layers": many})["charts"]
    assert [b["text"] for b in sqnr["bars"]] == [f"{i}.0 dB" for i in range(40, 0, -1)]
    assert "40 smallest of 100" in sqnr["note"]
    assert [b["full"] for b in memory["bars"]] == [f"block.{i}.attention.projection" for i in range(61, 101)]
    assert memory["bars"][0]["name"] == "block.61\N{HORIZONTAL ELLIPSIS}rojection"
