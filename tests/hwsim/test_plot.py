"""Plots: figures that show themselves, say what was asked, and refuse what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from hwsim import INT8, QType
from hwsim.ablation import Ablation
from hwsim.ops import Lut, Pwl
from hwsim.reports import Choice, Fidelity, ModelError, ModelErrors, compare
from hwsim.reports.fidelity import Comparison
from tests.compare import assert_refused
from tests.hwsim.reports.test_notebook import network

pytest.importorskip("matplotlib")


def drawn(figure) -> str:
    """The labels of a figure that makes a PNG, the same twice."""
    png = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert png == figure._repr_png_()
    assert len(png) < 300_000
    texts = [t.get_text() for a in figure.axes for t in (a.title, a.xaxis.label, a.yaxis.label, *a.texts)]
    texts += [t.get_text() for a in figure.axes for t in (*a.get_xticklabels(), *a.get_yticklabels())]
    return "\n".join(texts)


def test_formats_have_a_line_a_number():
    figure = hwsim.plot.formats("int4", hwsim.FP4_E2M1, "mxfp6_e2m3")
    assert "15 numbers" in drawn(figure)
    lines = [a.collections[0].get_segments() for a in figure.axes]
    assert [len(x) for x in lines] == [16, 15, 63]
    assert max(s[0][0] for s in lines[1]) == 1.0
    real = hwsim.plot.formats("fp4_e2m1", scaled=False).axes[0].collections[0].get_segments()
    assert sorted({abs(s[0][0]) for s in real}) == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert_refused(lambda: hwsim.plot.formats("int9"), "int9", "unknown")
    assert_refused(lambda: hwsim.plot.formats("int16"), "int16", "10 bits")


def test_a_table_is_beside_its_function():
    source = QType((), INT8, 2.0**-4)
    lut = Lut.of(np.tanh, source, QType((), INT8, 2.0**-7))
    figure = hwsim.plot.table(lut, source, np.tanh)
    assert "lut" in drawn(figure)
    x, got = figure.axes[0].lines[1].get_data()
    assert list(got) == [t * 2.0**-7 for t in lut.table]
    assert np.asarray(figure.axes[0].lines[0].get_ydata()) == pytest.approx(np.tanh(x))
    op = Pwl(breakpoints=(0,), slopes=(0, 1), intercepts=(0, 0), shift=0, scale=2.0**-4)
    relu = hwsim.plot.table(op, source, lambda x: np.maximum(x, 0))
    assert np.all(np.asarray(relu.axes[0].lines[1].get_ydata()) == np.maximum(relu.axes[0].lines[1].get_xdata(), 0))
    assert_refused(lambda: hwsim.plot.table(lut, QType((), hwsim.INT32), np.tanh), "int32", "16 bits")
    assert_refused(lambda: hwsim.plot.curves(), "0 tables")


def fidelities(**sqnr: float) -> dict[str, Fidelity]:
    return {k: Fidelity(sqnr_db=v, max_error=1 / v, max_error_lsb=v) for k, v in sqnr.items()}


def test_layers():
    found = Comparison(samples=2, fidelity=fidelities(a=40.0, b=30.0, moved=30.0, c=20.0), integer_answers=None,
                       float_answers=None)  # fmt: skip
    assert list(found.distinct()) == ["a", "b", "c"]
    figure = hwsim.plot.sqnr({"INT8": found, "$x_{": found})
    assert [list(x.get_ydata()) for x in figure.axes[0].lines] == [[40, 30, 20]] * 2
    drawn(hwsim.plot.sqnr(found))
    many = {f"layers.{i}.{j}": 10 + i + j / 8 for i in range(40) for j in range(5)}
    long = Comparison(samples=1, fidelity=fidelities(**many), integer_answers=None, float_answers=None)
    assert "layers.39" in drawn(hwsim.plot.sqnr(long))
    assert "layers.39.1" not in drawn(hwsim.plot.sqnr(long))
    assert_refused(lambda: hwsim.plot.sqnr(compare(network(), {"x": np.zeros((1, 8))})), "no value has an SQNR")


def test_accumulators_are_inside_their_proof():
    g = network(3)
    x = {"x": np.random.default_rng(0).integers(-128, 128, (50, 8)).astype(np.int8)}
    figure = hwsim.plot.accumulators(g, x)
    assert "net.2.acc" in drawn(figure)
    declared, proven, seen = ([b.get_width() for b in bars] for bars in figure.axes[0].containers)
    assert declared == [32] * 3
    assert proven == [g.reach[f"net.{i}.acc"].bits for i in range(3)]
    assert all(s <= p for s, p in zip(seen, proven, strict=True))
    codes = hwsim.simulate(g, x, trace=True)["net.0.acc"]
    assert seen[0] == max(int(codes.max()).bit_length(), int(~codes.min()).bit_length()) + 1
    assert len(hwsim.plot.accumulators(g).axes[0].containers) == 2
    assert_refused(lambda: hwsim.plot.accumulators(hwsim.Graph("empty")), "empty", "no matmul")


def test_energy():
    x = {"x": np.zeros((1, 8))}
    one = hwsim.estimate(network(2), "edge-int8", x)
    figure = hwsim.plot.energy(one)
    drawn(figure)
    total = sum(b.get_width() for bars in figure.axes[0].containers for b in bars)
    assert total == pytest.approx(one.energy.value / 1e3, rel=1e-6)
    assert "net, edge-fp32" in drawn(hwsim.plot.energy(one, hwsim.estimate(network(2), "edge-fp32", x)))
    assert_refused(lambda: hwsim.plot.energy(hwsim.estimate(network(1), "edge-int8")), "samples", "energy")


def test_comparisons():
    x = np.random.default_rng(0).normal(size=(4, 64))
    assert "nvfp4" in drawn(hwsim.plot.compare(hwsim.compare(x)))
    both = drawn(hwsim.plot.compare(hwsim.compare({"$w_{": x, "a": np.ones((2, 64))})))
    assert "$w_{" in both
    rows = ModelErrors([ModelError(weights="int8", accumulator="", samples=4, right=0.5, sqnr_db=20.0),
                        ModelError(weights="mxfp4", accumulator="", refused="no")])  # fmt: skip
    assert "refused" in drawn(hwsim.plot.compare(rows))
    assert Choice(weights="int8").weights in drawn(hwsim.plot.compare(rows))
    kinds = [Ablation(layer=n, int16=v, floating=v) for n, v in (("", 0.5), ("a", 0.75), ("b", 0.25))]
    widths = [b.get_width() for b in hwsim.plot.ablation(kinds).axes[0].containers[0]]
    assert widths == [25, -25]
