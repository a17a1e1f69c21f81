"""`hwsim bench area`: recorded units beside published figures."""

from __future__ import annotations

import argparse

import pytest

from hwsim.app.bench_area import PAPER_OPERATORS, operator_areas, pwl_savings, run, saving
from hwsim.costs.technology import shipped, technology_named


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("entries", [8, 16])
def test_gqa_luts_claim(name: str, entries: int) -> None:
    """INT8 saves about four fifths against INT32 and FP32, in every library; 81.3 to 81.7 % of area there."""
    found = pwl_savings(technology_named(name), entries)
    for wide in ("INT32", "FP32"):
        area, power = found[wide]
        assert 75 < area < 90
        assert 70 < power < 92
    for wide in ("INT16", "BF16"):
        assert 35 < found[wide][0] < 75


def test_a_saving_by_hand() -> None:
    """GQA-LUT, table 6."""
    assert saving(961, 5243) == pytest.approx(81.7, abs=0.05)


@pytest.mark.parametrize("name", shipped())
def test_llm_fp4s_operators(name: str) -> None:
    """INT4's are the unit; an exact accumulator is smaller than a float adder; E2M1's is near INT4's, as theirs."""
    found = operator_areas(technology_named(name))
    assert set(found) == set(PAPER_OPERATORS)
    int4, fp4 = found["int4"], found["fp4_e2m1"]
    assert (int4.adder, int4.multiplier, int4.exact_mac, int4.float_mac) == (1.0, 1.0, 1.0, 1.0)
    assert fp4.multiplier < 1 < fp4.adder  # a significand of 2 bits multiplies less, and aligns more
    assert fp4.exact_mac == pytest.approx(443 / 410, abs=0.2)
    assert all(f.exact_share < 0.5 for f in (int4, fp4))
    assert int4.exact_multiples < 410 / 182 < int4.float_multiples  # in multipliers


def test_the_tables() -> None:
    """All libraries, the paper's figures beside ours, what was held out."""
    text, data = run(argparse.Namespace())
    assert all(name in text for name in shipped())
    assert "81.7" in text
    rows = data["laws: largest error on units that they were not fitted to"]
    assert {r["library"] for r in rows} >= {"gate-equivalents", "sg13g2"}
    assert all(float(r["area %"]) <= 10 for r in rows)
    assert all(float(r["power, all stimuli %"]) <= 15 for r in rows)
