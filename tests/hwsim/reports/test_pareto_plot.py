import pytest

from hwsim.reports.pareto_plot import lowest, plot_pareto, svg

pytest.importorskip("matplotlib")


def rows(n=12, **more):
    made = [
        {"weights": f"int{4 + 4 * (i % 2)}", "accuracy": 0.5 + i / 30, "energy_uj": 1.0 + i, "refused": ""}
        for i in range(n)
    ]
    return [*made, {"weights": "int9", "refused": "no"}, {**made[0], **more}]


def test_points_front_and_axes():
    figure = plot_pareto(rows(), ["energy_uj"], "accuracy", [[0, 5, 11]])
    (at,) = figure.axes
    assert (at.get_xlabel(), at.get_ylabel()) == ("energy a sample, µJ", "right answers, %")
    assert at.get_xscale() == "log"
    lines = {line.get_label(): line for line in at.lines}
    assert set(lines) >= {"weights int8", "weights int4", "Pareto front"}
    assert list(lines["Pareto front"].get_xdata()) == [1.0, 6.0, 12.0]
    assert lines["Pareto front"].get_ydata()[-1] == pytest.approx(100 * (0.5 + 11 / 30))


def test_near_costs_have_a_plain_axis():
    figure = plot_pareto(rows(3), ["energy_uj"], "accuracy", [[0]])
    assert figure.axes[0].get_xscale() == "linear"


def test_designs_far_below_are_at_the_edge():
    far = rows(accuracy=0.01)
    low = lowest(far, "accuracy", [[10, 11]])
    assert 0.75 < low < 0.85
    at = plot_pareto(far, ["energy_uj"], "accuracy", [[10, 11]]).axes[0]
    assert min(min(line.get_ydata()) for line in at.lines if len(line.get_xdata())) == pytest.approx(100 * low)


def test_the_same_bytes():
    pictures = [svg(plot_pareto(rows(), ["energy_uj"], "accuracy", [[0, 1]])) for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert b"<svg" in pictures[0]
