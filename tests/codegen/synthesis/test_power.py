"""Power of circuits whose every joule can be counted by hand."""

from functools import partial

import numpy as np
import pytest

from codegen.synthesis import power, simulate_gates
from codegen.synthesis.gates import Simulated
from codegen.synthesis.netlist import Netlist

from .circuits import OWN, by_hand, inverters, toggling

near = partial(pytest.approx, rel=1e-12, abs=0)  # Why: the default takes any two femtojoules for equal
F = 1e9
CV2 = 0.81e-15  # of 1 fF at 0.9 V


def of(netlist: Netlist, ran: Simulated, *, gated: bool = False, frequency: float = F):
    return power(netlist, ran, voltage=OWN.voltage, frequency=frequency, gated=gated)


def test_three_inverters_by_hand() -> None:
    netlist = inverters()
    ran = simulate_gates(netlist, {"a": np.arange(9).reshape(9, 1) % 2}, settle=1)
    found = of(netlist, ran)
    assert found.switching == near(2 * 0.5 * 0.8 * CV2 * F)  # two nets with one input pin each; y has none
    assert found.internal == near(3 * 0.5 * 0.4 * 0.67 * CV2 * F)
    assert (found.clock, found.leakage) == (0, near(3 * 0.67e-9))


def test_half_the_activity_is_half_the_power() -> None:
    netlist = inverters()
    ran = simulate_gates(netlist, {"a": np.array([[0], [1], [1], [0], [0]])}, settle=1)
    assert of(netlist, ran).switching == near(0.8 * CV2 * F / 2)


def test_a_toggling_flip_flop_by_hand() -> None:
    netlist = toggling()
    found = of(netlist, simulate_gates(netlist, {"unused": np.zeros((9, 5), int)}, settle=1))
    assert found.switching == near(2 * 0.5 * 0.8 * CV2 * F)
    assert found.internal == near(0.5 * 0.4 * (0.67 + 4.67) * CV2 * F)
    assert found.clock == near(2 * (0.5 * 0.4 * 4.67 + 0.5 * 0.8) * CV2 * F)
    assert found.leakage == near((0.67 + 4.67) * 1e-9)
    assert found.total == near(found.switching + found.internal + found.clock + found.leakage)
    assert found.energy == near(found.total / F)


def pipeline() -> Netlist:
    cells = {"u0": ("DFF", {"D": 3, "CK": 2, "Q": 4}), "u1": ("XOR2", {"A": 4, "B": 6, "Y": 5})}
    cells |= {"held": ("DFF", {"D": 6, "CK": 2, "Q": 6}), "u2": ("DFF", {"D": 4, "CK": 2, "Q": 7})}
    return by_hand(cells, {"clk": [2], "a": [3]}, {"y": [5]})


def test_no_activity_leaves_clock_and_leakage() -> None:
    netlist = pipeline()
    ran = simulate_gates(netlist, {"a": np.ones((6, 3), int)}, settle=3)
    found = of(netlist, ran)
    assert (found.switching, found.internal) == (0, 0)
    assert found.clock > 0
    assert found.leakage == near(sum(i.cell.leakage for i in netlist.cells))


def test_gated_registers_that_are_kept_get_no_clock() -> None:
    netlist = pipeline()
    ran = simulate_gates(netlist, {"a": np.arange(8).reshape(8, 1) % 2}, settle=2)
    assert ran.kept.tolist() == [False, True, False]
    clocked, gated = of(netlist, ran), of(netlist, ran, gated=True)
    assert gated.clock == near(clocked.clock * 2 / 3)
    assert (gated.switching, gated.internal, gated.leakage) == (clocked.switching, clocked.internal, clocked.leakage)


def test_power_grows_with_frequency_but_for_leakage() -> None:
    netlist = toggling()
    ran = simulate_gates(netlist, {"unused": np.zeros((9, 5), int)}, settle=1)
    once, twice = of(netlist, ran), of(netlist, ran, frequency=2 * F)
    assert twice.total - twice.leakage == near(2 * (once.total - once.leakage))
    assert twice.leakage == once.leakage


@pytest.mark.parametrize("frequency", [0, -1, float("nan"), float("inf")])
def test_a_frequency_must_be_one(frequency: float) -> None:
    netlist = inverters()
    ran = simulate_gates(netlist, {"a": [[0], [1]]}, settle=1)
    with pytest.raises(ValueError, match="must be finite and above 0 hertz"):
        of(netlist, ran, frequency=frequency)
