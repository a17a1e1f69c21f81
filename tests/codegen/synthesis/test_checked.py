"""No area for a wrong netlist: the sign bug that once gave a plausible one."""

import dataclasses
import re

import numpy as np
import pytest

from codegen.synthesis import Bench, check, library_named, measure, synthesize
from codegen.synthesis.netlist import area_of
from codegen.synthesis.yosys import Synthesized

from .circuits import OWN, by_hand, inverters, mac, mac_bench, needs_osu018, needs_yosys, toggling


def made(netlist) -> Synthesized:
    return Synthesized(unit=mac(), library=OWN, netlist=netlist, tool="by hand", script="")


@needs_yosys
@pytest.mark.parametrize("name", ["gate-equivalents", pytest.param("osu018", marks=needs_osu018)])
def test_the_sign_bug_has_a_plausible_area_and_is_refused(name: str) -> None:
    library, bench = library_named(name), mac_bench(4, 16)
    right, wrong = synthesize(mac(4, 16), library), synthesize(mac(4, 16, bug=True), library)
    assert 0.6 < area_of(wrong.netlist.cells) / area_of(right.netlist.cells) < 0.95
    assert check(right, bench).ran.cycles == 18 * 70
    with pytest.raises(ValueError, match=r"^mac on .*: acc is 0x\w+ instead of 0x\w+ at step \d+.*no area for a wrong"):
        check(wrong, bench)
    with pytest.raises(ValueError, match="no area for a wrong netlist"):
        measure(mac(4, 16, bug=True), library, bench, frequency=5e8)


@needs_yosys
def test_one_wrong_bit_in_one_lane_is_seen() -> None:
    bench = mac_bench()
    acc = bench.outputs["acc"].copy()
    acc[7, 69] ^= 1 << 11
    with pytest.raises(ValueError, match=r"at step 7, lane 69 \(1 of 1260 values\)"):
        check(synthesize(mac(), OWN), dataclasses.replace(bench, outputs={"acc": acc}))


def test_a_register_that_is_never_set_is_seen() -> None:
    zeros = np.zeros((6, 64), int)
    alternating = np.arange(6)[:, None] % 2 + zeros
    with pytest.raises(ValueError, match="q is"):
        check(made(toggling()), Bench(description="", inputs={"unused": zeros}, outputs={"q": alternating}, settle=2))


def test_outputs_may_be_given_as_signed_or_unsigned() -> None:
    a = np.array([[0], [1], [0]])
    for y in (1 - a, -(1 - a)):
        check(made(inverters()), Bench(description="", inputs={"a": a}, outputs={"y": y}, settle=1))


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"z": [[1], [0], [1]]}, "top: ports ['y'], values for ['z']"),
        ({"y": [[1], [0]]}, "(3, 1) steps and lanes go in, (2, 1) are expected at y"),
        ({"y": [[5], [0], [1]]}, "port y: 5 does not fit 1 bits"),
    ],
)
def test_a_bench_that_does_not_fit_is_refused(outputs: dict, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        check(made(inverters()), Bench(description="", inputs={"a": [[0], [1], [0]]}, outputs=outputs, settle=1))


def test_a_netlist_without_outputs_cannot_pass() -> None:
    with pytest.raises(ValueError, match="top: no outputs"):
        check(made(by_hand({}, {"a": [2]}, {})), Bench(description="", inputs={"a": [[0], [1]]}, outputs={}, settle=1))


def test_the_digest_knows_numbers_and_not_their_type() -> None:
    bench = mac_bench()
    wider = {n: np.asarray(v).astype(object) for n, v in bench.inputs.items()}
    assert dataclasses.replace(bench, inputs=wider).sha256() == bench.sha256()
    assert dataclasses.replace(bench, settle=3).sha256() != bench.sha256()
    swapped = {**bench.inputs, "a": bench.inputs["b"], "b": bench.inputs["a"]}
    assert dataclasses.replace(bench, inputs=swapped).sha256() != bench.sha256()
