"""What a notebook shows: well formed, escaped, small, quick, and without matplotlib."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import hwsim
from hwsim import FORMATS, INT8, INT16, INT32, Dyadic16, Graph, QTensor, QType, quantize
from hwsim.ablation import Ablation, Ablations
from hwsim.front import FrontGraph
from hwsim.ops import Add, Lut, MatMul, Pwl, Requant
from hwsim.reports import Choice, ModelErrors, Trial, compare, compare_models
from hwsim.reports.notebook import MOST_ROWS, Card, card_html
from hwsim.reports.sheet import Sheet
from hwsim.tables import Stored, Table

from .markup import read, words

TIMES = "\N{MULTIPLICATION SIGN}"
EVIL = "<script>alert(1)</script>&\"'"


def network(layers: int = 1, name: str = "net") -> Graph:
    """Layers of 8 x 8 with a residual add; every value is called after its layer."""
    rng = np.random.default_rng(0)
    g = Graph(name)
    x = g.input("x", QType(("N", 8), INT8, 0.05))
    for i in range(layers):
        w = g.constant(f"{name}.{i}.w", quantize(rng.normal(size=(8, 8)), INT8, axis=1))
        acc = g.add(MatMul(), x, w, name=f"{name}.{i}.acc")
        y = g.add(Requant.to(QType((), INT8, 0.05), acc.type, Dyadic16), acc, name=f"{name}.{i}")
        total = g.add(Add(fmt=INT16), x, y, name=f"{name}.{i}.add.wide")
        x = g.add(Requant.to(QType((), INT8, 0.05), total.type, Dyadic16), total, name=f"{name}.{i}.add")
    g.output(x)
    return g


def pwl() -> Pwl:
    return Pwl(breakpoints=(-10, 0, 10), slopes=(0, 1, 2, 1), intercepts=(0, 10, 10, 20), shift=1)


@pytest.mark.parametrize("name", [*FORMATS, "binary"])
def test_formats_show_their_numbers(name):
    fmt = FORMATS.get(name, hwsim.BINARY)
    html = fmt._repr_html_()
    assert name in words(html)
    assert ("svg" in read(html).tags) == (fmt.bits <= 10)


@pytest.mark.parametrize("fmt", [hwsim.INT8, hwsim.UINT4, hwsim.FP4_E2M1, hwsim.FP8_E4M3, INT32, hwsim.BINARY])
def test_tensors_show_histogram_and_saturation(fmt):
    x = np.random.default_rng(1).normal(size=(40, 10))
    t = quantize(x, fmt, scale=0.4 if fmt.bits < 32 else 1e-3)
    told = words(t._repr_html_())
    ints = fmt.to_int(t.codes)
    for end in (fmt.min_int, fmt.max_int):
        n = int((ints == end).sum())
        assert (f"{n:,} at" if n else "none at") in told
    assert len(t._repr_html_()) < 20_000
    assert f"40 {TIMES} 10" in told


def test_saturated_codes_are_counted_by_hand():
    t = QTensor(QType((6,), INT8, 0.5), np.array([-128, -128, 0, 1, 127, 5], np.int8))
    assert "2 at -128 (33 %), 1 at 127 (17 %)" in words(t._repr_html_())
    assert "most: 2 of 6" in words(t._repr_html_())
    assert "-64 to 63.5" in words(t._repr_html_())


def test_tensors_of_every_shape():
    for shape in ((), (0,), (3, 0), (1,), (2, 3, 4)):
        t = QTensor(QType(shape, INT8, 1.0), np.zeros(shape, np.int8)) if 0 not in shape else None
        if t:
            read(t._repr_html_())
            assert len(repr(t)) < 120
    per_channel = quantize(np.ones((3, 4)), INT8, axis=1)
    assert "(4 ch), axis 1" in words(per_channel._repr_html_())
    assert "4 channels" in repr(per_channel)
    read(per_channel.type._repr_html_())
    blocks = hwsim.quantize_blocks(np.random.default_rng(0).normal(size=(4, 64)), hwsim.NVFP4)
    assert "scales of blocks" in words(blocks._repr_html_())
    assert "nvfp4" in repr(blocks)


def test_reprs_are_one_line_whatever_the_size():
    wide = QType((10_000,), INT8, (0.1,) * 10_000, axis=0)
    g = network(50)
    lut = Lut.of(np.tanh, QType((), INT16, 1e-3), QType((), INT8, 0.01))
    narrow = hwsim.narrowest_accumulator(g, "net.0.acc")
    table = Table(function="f", fmt=INT8, fraction=6, bits=8, scales={0: Stored((0,) * 63, (1,) * 64, (0,) * 64)})
    tensor = QTensor(wide, np.zeros(10_000, np.int8))
    for thing in (wide, tensor, g, g.nodes[0], g.inputs[0], lut, pwl(), narrow, table):
        assert len(repr(thing)) < 250
        assert "\n" not in repr(thing)
    assert repr(QType(("N", 2), INT8, 0.25, 3)) == "QType(('N', 2), int8, scale=0.25, zero_point=3)"


def test_names_are_escaped_everywhere():
    g = network(2, EVIL)
    x = np.zeros((2, 8))
    found = hwsim.compare({EVIL: np.ones((2, 40)), "b": np.ones((2, 40))}, ("int8",))
    rows = Ablations([Ablation(layer="", int16=0.5, floating=0.5), Ablation(layer=EVIL, int16=0.6, floating=0.5)])

    def refuse(choice: Choice) -> Trial:
        raise ValueError(EVIL)

    front = FrontGraph(inputs={"x": (8,)}, nodes=[], params={}, outputs=("x",))
    shown = [
        g, found, rows, compare_models(refuse, ("int8",)), compare(network(1), {"x": x}, front),
        hwsim.estimate(g, "edge-int8", {"x": x}),
    ]  # fmt: skip
    for thing in shown:
        read(thing._repr_html_())
        assert "<script" not in thing._repr_html_()
    for thing in shown[:4]:
        assert "alert(1)" in words(thing._repr_html_())
    sheet = Sheet(columns=[EVIL], rows=[[EVIL]], title=EVIL)
    card = Card(title=EVIL, note=EVIL, lines=[(EVIL, EVIL)], code=EVIL, sheets=[sheet])
    assert words(card_html(card)).count(EVIL) == 8


def test_a_graph_shows_ranges_and_work():
    told = words(network()._repr_html_())
    g = network()
    for text in ("5 nodes", "matmul + requant", "net.0.acc", "dyadic16, half_up"):
        assert text.replace("5 nodes", "4 nodes") in told
    lo, hi = g.reach["net.0.acc"]
    assert f"{lo:,} … {hi:,}" in told
    assert "64" in told


def test_long_graphs_are_small_and_quick():
    g = network(150)
    assert len(g.nodes) == 600
    html = g._repr_html_()  # warm: the template is read once
    start = time.process_time()
    html = g._repr_html_()
    assert time.process_time() - start < 0.5
    assert len(html) < 200_000
    assert "details" in read(html).tags
    assert f"and {601 - MOST_ROWS} more rows" in words(html)


def test_empty_things():
    for thing in (Graph(), hwsim.compare({}), Ablations(), ModelErrors()):
        read(thing._repr_html_())
        assert str(thing)


def test_tables_of_functions():
    lut = Lut.of(np.tanh, QType((), INT8, 0.05), QType((), INT8, 2**-7))
    assert "256 entries of int8" in words(lut._repr_html_())
    told = words(pwl()._repr_html_())
    assert "4 segments" in told
    assert "(slope * x + intercept) / 2**1" in told
    read(Pwl(breakpoints=(), slopes=(1,), intercepts=(0,), shift=0)._repr_html_())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(Pwl(breakpoints=(5,), slopes=(1, 1 << 40), intercepts=(0, 0), shift=0, fmt=INT32)._repr_html_())


def test_comparison_on_the_page_and_in_text():
    x = np.random.default_rng(0).normal(size=(8, 64))
    one, two = hwsim.compare(x, ("int8", "int4")), hwsim.compare({"a": x, "b": 2 * x}, ("int8", "int4"))
    assert two["a"] == one == two["b"] or two["a"][0].sqnr_db == pytest.approx(two["b"][0].sqnr_db)
    assert f"{one[0].sqnr_db:.1f}" in str(one)
    assert str(two).splitlines()[0].split() == ["format", "bits", "a", "dB", "b", "dB"]
    assert words(two._repr_html_()).count(f"{one[1].sqnr_db:.1f}") >= 2


def test_no_matplotlib_is_needed():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import numpy as np, hwsim\n"
        "t = hwsim.quantize(np.ones((2, 2)), hwsim.INT8)\n"
        "g = hwsim.Graph('g'); x = g.input('x', hwsim.QType(('N', 2), hwsim.INT8))\n"
        "from hwsim.ops import Add\n"
        "g.output(g.add(Add(), x, x, name='y'))\n"
        "for v in (t, g, hwsim.INT4, hwsim.compare(np.ones((2, 40)))): assert '<svg' in v._repr_html_()\n"
        "try: hwsim.plot.formats()\n"
        "except ModuleNotFoundError as e: print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "a plot needs matplotlib: pip install matplotlib"
