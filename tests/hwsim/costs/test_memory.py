from __future__ import annotations

import math

import pytest

from hwsim.costs.memory import dram_energy, sram_area, sram_energy

from .fake_technology import fake

AT_45, AT_130, NOWHERE = fake(), fake(node=130.0), fake(node=None)


@pytest.mark.parametrize(("size", "access"), [(8192, 10.0), (32768, 20.0), (1 << 20, 100.0)])
def test_published_energies(size, access):
    """Horowitz 2014: of 64 bits at 45 nm and 0.9 V."""
    found = sram_energy(size, NOWHERE)
    assert found.value == pytest.approx(access / 64, rel=1e-12)
    assert (found.kind, found.scaled, found.unit) == ("literature", False, "pJ")
    assert "ISSCC 2014" in found.source


def test_between_sizes_the_logarithms_are_on_a_line():
    assert sram_energy(16384, NOWHERE).value == pytest.approx(math.sqrt(10 * 20) / 64)
    middle = round(math.sqrt(32768 * (1 << 20)))
    assert sram_energy(middle, NOWHERE).value == pytest.approx(math.sqrt(20 * 100) / 64, rel=1e-5)


@pytest.mark.parametrize("size", [8191, (1 << 20) + 1])
def test_outside_the_published_sizes_it_refuses(size):
    with pytest.raises(ValueError, match=rf"SRAM of {size:,} bytes: energy is published for 8,192\.\.1,048,576 bytes"):
        sram_energy(size, AT_45)


def test_scaling_to_a_node():
    """Energy by node * V**2 (0.9 V here as there), area by node**2."""
    here, there = (sram_energy(8192, t) for t in (AT_45, AT_130))
    assert there.value / here.value == pytest.approx(130 / 45)
    assert there.scaled
    assert sram_energy(8192, fake(volt=1.8)).value / here.value == pytest.approx(4)
    small, large = (sram_area(8192, t) for t in (AT_45, AT_130))
    assert small.value == pytest.approx(65536 * 0.346 / 0.7)
    assert large.value / small.value == pytest.approx((130 / 45) ** 2)
    assert large.scaled
    assert not sram_area(8192, NOWHERE).scaled


def test_dram_is_not_scaled_and_its_error_is_the_published_span():
    found = dram_energy()
    assert found.value == 1950 / 64
    assert found.error == pytest.approx(1 / 3)
    assert not found.scaled
