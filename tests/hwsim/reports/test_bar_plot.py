import pytest

from hwsim.reports.bar_plot import Panel, check_panels, plot_bars
from tests.compare import assert_refused

pytest.importorskip("matplotlib")


def panel(title="t", **series):
    return Panel(title=title, unit="dB", labels=("a", "b"), series=series or {"": (1.0, "exact")})


def drawn(monkeypatch, *panels):
    """The figure that would be written."""
    figures = []
    monkeypatch.setattr("hwsim.reports.bar_plot.png", lambda figure: figures.append(figure) or b"")
    plot_bars("title", panels)
    return figures[0]


def test_bars_words_and_colours(monkeypatch):
    figure = drawn(monkeypatch, panel(one=(3.25, "refused"), two=(-1.0, 7.0)))
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert [t.get_text() for t in axes.texts] == ["3.2", "refused", "-1.0", "7.0"]
    assert [round(bar.get_width(), 2) for bar in axes.patches] == [3.25, 0, -1, 7]
    tops = [bar.get_y() for bar in axes.patches]
    assert tops[0] < tops[2] < tops[1] < tops[3], "series of a label side by side, in order"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["one", "two"]
    assert len({bar.get_facecolor() for bar in axes.patches}) == 2
    low, high = axes.get_ylim()
    assert low > high, "the first label on top"


def test_panels_without_data_are_hidden_and_one_series_has_no_legend(monkeypatch):
    figure = drawn(monkeypatch, *[panel(str(i)) for i in range(4)])
    assert [a.get_visible() for a in figure.axes] == [True] * 4 + [False] * 2
    assert not figure.legends


def test_hostile_titles_and_the_same_bytes():
    made = [plot_bars("$\\bad{$", [panel("$x_{$", one=(1.0, 2.0))]) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0].startswith(b"\x89PNG")


def test_too_many_panels():
    check_panels(12, "arrays")
    assert_refused(lambda: check_panels(13, "arrays"), "13 arrays", "12")
