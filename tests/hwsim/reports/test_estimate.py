"""Estimates as text and as a page: figures of the estimate itself, names escaped, pictures in their frames."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from hwsim import estimate
from hwsim.costs.figure import Figure
from hwsim.reports.estimate import area, quantity
from hwsim.reports.estimate_html import estimate_view, render_estimate, roofline_points
from hwsim.reports.roofline_plot import plot_roofline

from ..costs.fake_technology import fake
from ..costs.small import hardware, two_nodes
from .networks import HOSTILE, lowered, samples, small_front


def made(graph=None, inputs=None, **choices):
    h = hardware(**choices)
    graph = graph or two_nodes()
    return estimate(graph, h, {"x": np.ones((2, 4), np.int8)} if inputs is None else inputs, technology=fake(h))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 J"), (1.5, "1.5 J"), (0.0281, "28.1 mJ"), (2.5e-12, "2.5 pJ"), (1e-15, "0.001 pJ"), (99e6, "99 MJ")],
)
def test_quantities(value, text):
    assert quantity(value, "J") == text


def test_areas():
    def figure(value, unit):
        return Figure(value=value, unit=unit, kind="stated", source="s", derivation="d")

    found = [area(figure(v, u)) for v, u in ((640.0, "um2"), (123456.0, "um2"), (1234567.0, "NAND2"))]
    assert found == ["640 um2", "0.123 mm2", "1,234,567 NAND2"]


def test_text_has_every_layer_and_the_sum():
    lines = made().table().splitlines()
    names = [line.split()[0] for line in lines if line]
    assert names.index("y") == names.index("all") - 1
    assert "literature" not in next(line for line in lines if line.startswith("energy "))
    assert any(re.match(r"  SRAM +literature, scaled$", line) for line in lines)


class Tags(HTMLParser):
    """Open elements, and all tags that were seen."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("meta", "rect", "line", "circle", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("rect", "line", "circle", "polyline"):
            assert self.open.pop() == tag


def test_the_page_is_whole_and_names_are_escaped():
    front = small_front(HOSTILE, HOSTILE)
    graph = lowered(front)
    e = made(graph, {graph.inputs[0].name: next(iter(samples(3).values()))})
    page = render_estimate(e)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert HOSTILE not in page


def test_the_page_has_the_figures():
    e = made()
    view = estimate_view(e)
    assert [c["title"] for c in view["charts"]] == ["Energy per layer", "Area", "Energy per layer, without DRAM"]
    assert view["layers"][-1]["cycles"] == str(e.cycles)
    widths = [float(width) for _, _, width in view["charts"][0]["bars"][0]["parts"]]
    shares = [f.value / e.energy.value for f in e.whole.energy.values()]
    assert widths == pytest.approx([max(100 * s, 0.6) for s in shares], abs=0.01)  # what is not 0 stays visible


def test_no_samples_no_energy_chart():
    e = estimate(two_nodes(), hardware(), technology=fake(hardware()))
    assert [c["title"] for c in estimate_view(e)["charts"]] == ["Area"]
    assert "energy needs samples" in render_estimate(e)


def test_points_lie_below_their_roof():
    e = made(two_nodes(k=64, n=32), {"x": np.ones((2, 64), np.int8)})
    for _, x, y, _ in roofline_points(e):
        assert y <= min(4, 32 * x) * (1 + 1e-12)


def test_a_roofline_by_hand():
    picture = plot_roofline([("a<b", 1.0, 10.0, "memory"), ("c", 100.0, 10.0, "compute")], peak=100.0, bandwidth=10.0)
    root = ET.fromstring(picture)
    space = {"s": "http://www.w3.org/2000/svg"}
    memory, compute = (
        next(
            c
            for c in root.findall(".//s:circle", space)
            if c.get("class") == f"rl-{k}" and c.get("r") == "5" and c.get("cy") != "12"
        )
        for k in ("memory", "compute")
    )
    assert memory.get("cy") == compute.get("cy")
    left, ridge, right = (
        tuple(map(float, p.split(","))) for p in root.find(".//s:polyline", space).get("points").split()
    )
    assert ridge[1] == right[1] < left[1]
    assert 2 * ridge[0] == pytest.approx(float(memory.get("cx")) + float(compute.get("cx")), abs=0.3)  # 10 of 1 and 100
    # the first point lies on the slope: 1 MAC a bit at 10 bits a cycle
    share = (float(memory.get("cx")) - left[0]) / (ridge[0] - left[0])
    assert float(memory.get("cy")) == pytest.approx(left[1] + share * (ridge[1] - left[1]), abs=0.2)
    assert "a&lt;b: 1 MACs a bit" in picture
