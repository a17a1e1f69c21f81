from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from hwsim import INT8, INT32, Graph, QTensor, QType, estimate
from hwsim.contracts import Dyadic16
from hwsim.costs.estimates import KINDS, Estimate
from hwsim.costs.figure import Figure
from hwsim.costs.hardware import Sram
from hwsim.costs.hardware_file import hardware_named, shipped_hardware
from hwsim.costs.machine import machine_of
from hwsim.costs.technology import technology_of
from hwsim.ops import Lut, MatMul, Requant, Reshape
from hwsim.qtensor import BATCH

from .fake_technology import AREA, CLOCK, LEAKAGE, OTHER, TOGGLE, fake, fake_data, unit
from .small import VECTOR, hardware, two_nodes

ONES = {"x": np.ones((1, 4), np.int8)}


def made(h=None, inputs=ONES, graph=None) -> Estimate:
    h = h or hardware()
    return estimate(graph or two_nodes(), h, inputs, technology=fake(h))


def test_two_nodes_counted_by_hand():
    """m = 1, k = 4, n = 2 on 2 x 2: load 4 + one tile of 4 + fill 4 + drain 2."""
    e = made()
    product, requant = e.nodes
    assert product.work.cycles.total == 14
    # 32 + 64 bits before the first tile at 32 a cycle, then 14 cycles beside 16 bits of results
    assert (product.work.latency.fill, e.cycles) == (3, 3 + 14)
    assert requant.work.latency.cycles == 0  # streams beside the array
    assert e.macs == 8
    assert e.utilisation == 8 / (17 * 4)
    assert (e.whole.dram, product.work.moved.dram_read, product.work.moved.dram_write) == (112, 96, 16)
    moved = product.work.moved
    # each operand in and out once; results into outputs' SRAM and on to DRAM
    assert (moved.activations, moved.weights, moved.outputs) == (64, 128, 32)
    # running sums 1, 2, 3, 4 change 2, 1 and 3 bits: 2 a step; 8 operations; 4 elements clocked for 14 cycles
    compute = 8 * 2 * TOGGLE + 4 * 14 * CLOCK
    assert product.energy["compute"].value == pytest.approx(compute, rel=1e-9)
    assert requant.energy["compute"].value == pytest.approx(2 * CLOCK, rel=1e-9)
    assert product.energy["sram"].value == pytest.approx((64 + 128 + 32) * 10 / 64)
    assert product.energy["dram"].value == pytest.approx(112 * 1950 / 64)
    units = 4 + len(VECTOR)
    assert product.energy["leakage"].value == pytest.approx(units * LEAKAGE * 17 / 100e6 * 1e12)
    assert set(requant.energy) == {"compute"}
    assert e.logic_area.value == 4 * AREA["pe"] + len(VECTOR) * OTHER
    assert e.latency_s == 17 / 100e6
    assert e.tops_per_watt == 2 * 8 / e.energy.value
    assert [x.name for x in e.layers] == ["y"]


def flat(f: Figure) -> list[Figure]:
    return [x for p in f.parts for x in flat(p)] if f.parts else [f]


def test_totals_are_the_sums_of_their_parts():
    e = made(graph=two_nodes(k=40, n=7), inputs={"x": np.random.default_rng(0).integers(-128, 128, (3, 40), np.int8)})
    leaves = [p for n in e.nodes for f in n.energy.values() for p in f.parts]
    assert e.energy.value == pytest.approx(math.fsum(p.value for p in leaves), rel=1e-15)
    for whole in (e.energy, e.logic_area, e.sram_area, *e.whole.energy.values(), *e.nodes[0].energy.values()):
        assert whole.value == math.fsum(p.value for p in whole.parts)
    assert math.fsum(x.picojoules for x in e.layers) == pytest.approx(e.energy.value, rel=1e-15)
    assert sum(x.cycles for x in e.layers) == e.cycles
    assert sum(x.macs for x in e.layers) == e.macs == 280


def test_doubling_the_array_doubles_its_area():
    h = hardware()
    twice = replace(h, arrays=(replace(h.arrays[0], columns=4),))
    once, double = (made(x).areas for x in (h, twice))
    assert double["mac"].value == 2 * once["mac"].value
    assert {k: f.value for k, f in double.items() if k != "mac"} == {k: f.value for k, f in once.items() if k != "mac"}


def test_without_activity_only_clock_and_leakage_are_left():
    zero = made(inputs={"x": np.zeros((4, 4), np.int8)})
    product, requant = zero.nodes
    assert product.energy["compute"].value == 4 * 14 * CLOCK
    assert requant.energy["compute"].value == 2 * CLOCK
    assert zero.whole.energy["leakage"].value == made().whole.energy["leakage"].value


def test_units_that_wait_are_clocked_unless_gated():
    gated, running = made(), made(hardware(gated=False))
    assert "idle" not in gated.whole.energy
    # 17 cycles: elements work in 14 of them, requant in 2, the others in none
    waits = 4 * 3 + 1 * 15 + (len(VECTOR) - 1) * 17
    assert running.whole.energy["idle"].value == pytest.approx(waits * CLOCK)
    rest = [k for k in KINDS if k in gated.whole.energy]
    assert {k: running.whole.energy[k].value for k in rest} == {k: gated.whole.energy[k].value for k in rest}


def test_tables_are_clocked_while_they_are_written():
    """64 elements of one lane after 256 words; a gated clock of the made-up technology costs half."""
    g = Graph("table")
    g.output(g.add(Lut(table=(1,) * 256), g.input("x", QType((BATCH, 64), INT8)), name="y"))
    inputs = {"x": np.zeros((2, 64), np.int8)}
    gated, running = (made(hardware(gated=on), inputs, g).nodes[0].energy for on in (True, False))
    assert gated["table"].value == 256 * CLOCK + 64 * CLOCK / 2
    assert running["table"].value == (256 + 64) * CLOCK


def test_a_table_that_was_not_recorded_is_clocked_and_said():
    h = hardware()
    data = fake_data(h)
    points = [unit("pwl", {"bits": b, "entries": n}) for b in (6, 7, 9) for n in (4, 16)]
    data["units"] = [u for u in data["units"] if u["family"] != "pwl"] + points
    e = estimate(two_nodes(), h, technology=technology_of(data))
    assert e.notes[1] == "pwl: no netlist of these parameters, so its table is clocked while it is read"
    assert e.areas["pwl"].kind == "fitted"


def test_without_samples_there_is_no_energy():
    e = made(inputs=None)
    assert (e.energy, e.tops_per_watt, e.whole.energy, e.samples) == (None, None, {}, 0)
    assert e.cycles == made().cycles
    assert e.notes[0] == "energy needs samples: area and cycles only"
    assert "energy needs samples" in e.explain("y")


@pytest.mark.parametrize("node", ["y.acc", "y", "0", "1"])
def test_every_explained_figure_recomputes(node):
    e = made(inputs={"x": np.random.default_rng(1).integers(-128, 128, (5, 4), np.int8)})
    lines = [m for line in e.explain(node).splitlines() if (m := re.match(r"    (\S+) pJ = [^:]*: (.*)$", line))]
    assert len(lines) == sum(len(f.parts) for f in e.node(node).energy.values())
    for m in lines:
        product = m[2].partition("(")[0].replace(" x ", "*")
        assert eval(re.sub(r"[a-zA-Z]{2,}|\b[W]\b", "", product)) == pytest.approx(float(m[1]), rel=1e-6)
        rate = float(re.findall(r"x (\S+) (?:pJ|W) \(", m[2])[0])
        inner = re.sub(r"\[[^\]]*\]", "", m[2].partition("(")[2][:-1])
        if "netlist" not in inner:
            assert eval(inner) == pytest.approx(rate, rel=2e-3)


def test_literature_stays_apart_from_synthesis():
    e = made()
    kinds = {k: f.kind for k, f in e.whole.energy.items()}
    assert kinds["sram"] == kinds["dram"] == e.sram_area.kind == "literature"
    assert "literature" not in kinds["compute"] + kinds["leakage"] + e.logic_area.kind
    assert e.energy.kind == "synthesized + fitted + literature"
    assert {p.kind for p in e.energy.parts} == set(kinds.values())
    labels = json.dumps(e.to_json())
    assert "ISSCC 2014" in labels


def test_a_technology_without_a_node_keeps_memory_at_45_nm():
    h = hardware()
    e = estimate(two_nodes(), h, ONES, technology=fake(h, node=None, area_unit="NAND2"))
    assert (e.logic_area.unit, e.sram_area.unit, e.sram_area.scaled) == ("NAND2", "um2", False)
    assert "SRAM figures stay at 45 nm: the technology has no node" in e.notes


def test_a_clock_that_a_part_cannot_have_is_said():
    assert not [n for n in made().notes if "critical path" in n]
    fast = made(hardware(clock_hz=2e9))
    assert "mac: critical path 1 ns, longer than a cycle: this clock is out of reach" in fast.notes


def test_more_of_anything_is_never_slower():
    g, h = two_nodes(k=48, n=24), hardware()
    base = made(h, None, g).cycles
    for more in (
        replace(h, dram_bits=64),
        replace(h, arrays=(replace(h.arrays[0], columns=4),)),
        replace(h, vector=h.vector | {"requant": replace(h.vector["requant"], lanes=4)}),
        replace(h, weights=Sram(bytes=32768, port_bits=64)),
    ):
        assert made(more, None, g).cycles <= base


def test_a_graph_that_computes_nothing():
    g = Graph("moved")
    g.output(g.add(Reshape(shape=(2, 2)), g.input("x", QType((BATCH, 4), INT8))))
    with pytest.raises(ValueError, match="graph 'moved': no node takes a cycle"):
        made(graph=g)


def test_weight_stationary_arrays_have_cycles_and_no_energy():
    h = hardware(arrays=(replace(hardware().arrays[0], dataflow="weight"),))
    e = made(h, None)
    assert e.cycles > 0
    assert any("weight-stationary elements have the area of output-stationary ones" in n for n in e.notes)
    with pytest.raises(ValueError, match="array 'mac' is weight stationary, and no such element was recorded"):
        made(h)


def test_a_layer_of_a_node_that_hides_behind_the_array_is_not_lost():
    g = Graph("apart")
    x = g.input("x", QType((BATCH, 4), INT8))
    w = g.constant("w", QTensor(QType((4, 2), INT8), np.ones((4, 2), np.int8)))
    acc = g.add(MatMul(acc=INT32), x, w, name="acc")
    g.output(g.add(Requant(contract=Dyadic16.of(0.5), fmt=INT8, scale=2.0), acc, name="y"))
    e = made(graph=g)
    assert [layer.name for layer in e.layers] == ["acc", "y"]
    assert math.fsum(layer.picojoules for layer in e.layers) == pytest.approx(e.whole.picojoules, rel=1e-12)


def test_sums_of_one_step_switch_too():
    rng = np.random.default_rng(0)
    e = made(inputs={"x": rng.integers(-128, 128, (64, 1), np.int8)}, graph=two_nodes(k=1))
    assert "switches: 2 operations x 0 pJ" not in e.explain("y.acc")
    assert sum(p.value for p in e.nodes[0].energy["compute"].parts if "switches" in p.derivation) > 0


def test_an_unknown_node_is_refused():
    with pytest.raises(ValueError, match=r"node 'z': no result has this name; it may be an index, 0\.\.1"):
        made().explain("z")


def test_parts_without_figures_are_listed_at_once():
    h = hardware()
    wide = replace(h, arrays=(replace(h.arrays[0], a="int7"),), weights=Sram(bytes=4096, port_bits=64))
    with pytest.raises(ValueError, match=r"hardware 'small': fake: .*; sram\.weights: SRAM of 4,096 bytes"):
        estimate(two_nodes(), wide, ONES, technology=fake(h))


@pytest.mark.parametrize("name", shipped_hardware())
def test_shipped_hardware_runs_a_layer(name):
    h, rng = hardware_named(name), np.random.default_rng(0)
    g = Graph("layer")
    x = g.input("x", QType((BATCH, 32), INT8))
    w = g.constant("w", QTensor(QType((32, 8), INT8), rng.integers(-128, 128, (32, 8), np.int8)))
    g.output(g.add(MatMul(), x, w, name="y"))
    e = estimate(g, h, {"x": rng.integers(-128, 128, (3, 32), np.int8)}, technology=fake(h))
    assert e.macs == 256
    assert e.energy.value > 0
    assert 0 < e.utilisation < 1


@pytest.mark.parametrize("name", shipped_hardware())
def test_shipped_hardware_on_its_own_table(name):
    m = machine_of(hardware_named(name))
    assert m.technology.name == "sg13g2"
    assert m.too_slow == []
    assert all(p.area.value > 0 and p.clock.value > 0 and p.leakage.value > 0 for p in m.parts.values())
    assert all(p.gated for p in m.parts.values() if p.table)


def test_narrow_arrays_are_smaller():
    parts = {n: machine_of(hardware_named(n)).parts for n in ("edge-int8", "edge-int4", "edge-mixed", "edge-fp32")}
    areas = [parts[n][a].area.value for n, a in (("edge-int4", "w4a4"), ("edge-mixed", "w4a8"), ("edge-int8", "w8a8"),
                                                  ("edge-fp32", "fp32"))]  # fmt: skip
    assert areas == sorted(areas)
