"""What people see of a fit: the certificate's own figures, well formed."""

from __future__ import annotations

import numpy as np
import pytest

from algos import gqa_lut
from algos.gqa_lut.shown import certificate
from tests.hwsim.reports.markup import words


@pytest.fixture(scope="module")
def fit():
    return gqa_lut.fit("gelu", entries=8, shared=False)


def test_certificate(fit):
    rows = certificate(fit).rows
    assert [r[0] for r in rows] == [*(f"2**-{n}" for n in fit.task.scales), "mean"]
    assert all(r[4] == "optimal" for r in rows)
    assert rows[-1][2] == f"{fit.mse:.3g}"
    told = words(fit._repr_html_())
    assert "gelu, 8 segments" in told
    assert "certified optimal" in told
    assert "times the bound" in words(gqa_lut.fit("gelu", method="uniform")._repr_html_())


def test_curve_is_the_table(fit):
    c = fit.curve(4, "name")
    assert c.label == "name"
    assert np.abs(c.got - c.wanted).max() == pytest.approx(fit.rows[4].max_error)
    assert fit.curve(4).label == "step 2**-4"


def test_plot(fit):
    pytest.importorskip("matplotlib")
    assert len(fit.plot().axes) == 6
    assert [a.get_title() for a in fit.plot(2, 5).axes[:2]] == ["step 2**-2", "step 2**-5"]
    assert fit.plot(2)._repr_png_().startswith(b"\x89PNG")
