from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hwsim import INT8, INT16, INT32, UINT8, Graph, QTensor, QType
from hwsim.blockformats import MXFP4, quantize_blocks
from hwsim.costs.hardware import MatrixUnit, Sram, VectorUnit
from hwsim.costs.mapping import layer_of, mapped
from hwsim.costs.needs import needs, width
from hwsim.costs.products import size_of
from hwsim.ops import Add, BlockMatMul, BlockQuantize, Conv2d, Gather, Lut, MatMul, Mul, Pool, Pwl, Reduce, Reshape
from hwsim.qtensor import BATCH
from hwsim.ranges import Interval

from .small import hardware, two_nodes


def constant(g, name, shape, fmt=INT8, value=1):
    return g.constant(name, QTensor(QType(shape, fmt), np.full(shape, value, fmt.dtype)))


def asked(op, *types, constants=()):
    g = Graph("one")
    ins = [g.input(f"x{i}", t) for i, t in enumerate(types)]
    g.add_all(op, *ins, *(constant(g, f"c{i}", s) for i, s in enumerate(constants)))
    return [(n.family, n.least, n.operations, n.load, n.groups) for n in needs(g, g.nodes[0], "codes")]


def test_what_vector_nodes_ask_for():
    row, wide = QType((BATCH, 6), INT8), QType((BATCH, 6), INT16)
    assert asked(Add(), row, wide) == [("add", {"bits": 17}, 6, 0, 0)]
    assert asked(Mul(), row, wide) == [("multiply", {"a": 16, "b": 8}, 6, 0, 0)]
    assert asked(Mul(), QType((BATCH, 6), UINT8), row) == [("multiply", {"a": 8, "b": 8}, 6, 0, 0)]
    assert asked(Mul(), wide, constants=((6,),)) == [("add", {"bits": 16}, 6, 0, 0)]  # times 1
    assert asked(Lut(table=(1,) * 256), row) == [("lut", {"bits": 8, "out": 8}, 6, 256, 0)]
    assert asked(Reduce(kind="sum", axes=(1,)), row) == [("reduce", {"bits": 8, "acc": 11}, 6, 0, 1)]
    # squares of -128..127 take 15 bits and no sign; the unit multiplies first
    squares = asked(Reduce(kind="sum_square", axes=(1,)), row)
    assert squares == [("multiply", {"a": 8, "b": 8}, 6, 0, 0), ("reduce", {"bits": 16, "acc": 17}, 6, 0, 1)]
    image = QType((BATCH, 4, 4, 3), INT8)
    assert asked(Pool(kind="max", kernel=(2, 2), stride=(2, 2)), image) == [
        ("reduce", {"bits": 8, "acc": 8}, 48, 0, 12)
    ]
    blocks = asked(BlockQuantize(block=3), row)
    assert blocks == [("reduce", {"bits": 8, "acc": 8}, 6, 0, 2), ("requant", {"bits": 8, "out": 4}, 6, 0, 0)]
    assert asked(Reshape(shape=(2, 3)), row) == []


def test_a_table_of_lines_needs_its_words_without_common_zeros():
    op = Pwl(breakpoints=(-30, 40), slopes=(3, 100, -5), intercepts=(512, -256, 1024), shift=0, fmt=INT16)
    assert asked(op, QType((BATCH, 4), INT8)) == [("pwl", {"bits": 8, "entries": 3}, 4, 8, 0)]
    rounded = replace(op, shift=4, fmt=INT8)
    assert [family for family, *_ in asked(rounded, QType((BATCH, 4), INT8))] == ["pwl", "requant"]


def test_width_has_a_sign_only_below_zero():
    assert [width(Interval(*r)) for r in ((0, 255), (0, 0), (-1, 0), (-128, 127), (-129, 0))] == [8, 1, 1, 8, 9]


def test_every_node_that_cannot_run_is_listed():
    g = Graph("hard")
    x = g.input("x", QType((BATCH, 4), INT16))
    y = g.add(MatMul(acc=INT32), x, constant(g, "w", (4, 2)), name="y")
    z = g.add(Mul(), x, constant(g, "s", (4,), INT16, 300), name="z")
    g.output(y, z)
    with pytest.raises(ValueError, match="hardware 'small' cannot run 'hard'") as e:
        mapped(g, hardware())
    said = str(e.value)
    assert "node 0 matmul 'y': no array holds its operands (mac: 'x' reaches -32768..32767, outside int8)" in said
    assert "node 1 mul 'z': vector.multiply takes a 16, b 9; the hardware's has a 16, b 8" in said
    assert "\n" not in said
    bare = hardware(vector={})
    with pytest.raises(ValueError, match=r"'two': node 1 requant 'y': there is no vector\.requant \(bits 10, out 8\)$"):
        mapped(two_nodes(), bare)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"accumulator": 8}, "its sums take 10 bits of 8"),
        ({"a": "int4"}, "'x' reaches -128..127, outside int4"),
        ({"a": "fp4_e2m1"}, "'x' is int8, not fp4_e2m1"),
        ({"a": "", "b": "", "block": "mxfp4"}, "matmul on mxfp4"),
    ],
)
def test_why_an_array_does_not_suit(choices, said):
    h = hardware()
    with pytest.raises(ValueError, match=said):
        mapped(two_nodes(), replace(h, arrays=(replace(h.arrays[0], **choices),)))


def test_the_first_array_that_holds_the_operands():
    h = hardware()
    narrow, other = replace(h.arrays[0], name="narrow", a="int4"), replace(h.arrays[0], name="other")
    works = mapped(two_nodes(), replace(h, arrays=(narrow, h.arrays[0], other)))
    assert [u.part for u in works[0].uses] == ["mac"]


def test_sizes_of_products():
    g = Graph("sizes")
    image = g.input("i", QType((BATCH, 6, 5, 4), INT8))
    dense = g.add(Conv2d(kernel=(3, 2)), image, constant(g, "w", (7, 3, 2, 4)), name="dense")
    deep = g.add(Conv2d(kernel=(3, 3), groups=4), image, constant(g, "v", (4, 3, 3, 1)), name="deep")
    a, b = g.input("a", QType((BATCH, 3, 5, 8), INT8)), g.input("b", QType((BATCH, 3, 8, 2), INT8))
    heads = g.add(MatMul(), a, b, name="heads")
    rows = g.add(MatMul(), a, constant(g, "u", (8, 9)), name="rows")
    g.output(dense, deep, heads, rows)
    assert [size_of(n) for n in g.nodes] == [(16, 24, 7, 1), (12, 9, 1, 4), (5, 8, 2, 3), (15, 8, 9, 1)]
    for work, n in zip(mapped(g, hardware()), g.nodes, strict=True):
        assert work.macs == int(np.prod(size_of(n)))
        assert work.utilisation <= 1


def test_an_image_is_read_once():
    g = Graph("conv")
    image = g.input("i", QType((BATCH, 16, 16, 4), INT8))
    g.output(g.add(Conv2d(kernel=(3, 3), padding=((1, 1), (1, 1))), image, constant(g, "w", (8, 3, 3, 4)), name="y"))
    (work,) = mapped(g, hardware())
    assert work.moved.dram_read == 8 * (16 * 16 * 4 + 8 * 9 * 4)
    # patches are larger than the memory, the image is not
    assert 16 * 16 * 36 > hardware().activations.bytes > 16 * 16 * 4


def chain():
    g = Graph("chain")
    x = g.input("x", QType((BATCH, 64), INT8))
    y = g.add(Lut(table=(1,) * 256), x, name="y")
    z = g.add(Lut(table=(1,) * 256), g.add(Reshape(shape=(8, 8)), y, name="r"), name="z")
    g.output(g.add(Lut(table=(1,) * 256), z, name="out"))
    return g


def test_values_stay_on_the_chip_where_they_fit():
    y, _, z, out = mapped(chain(), hardware())
    table = 256 * 8
    assert (y.moved.dram_read, y.moved.dram_write) == (64 * 8 + table, 0)  # the input comes from DRAM, y stays
    assert (z.moved.dram_read, z.moved.dram_write) == (table, 0)
    assert (out.moved.dram_read, out.moved.dram_write) == (table, 64 * 8)
    assert y.latency.cycles == 64 + 256  # one lane, and the table is written first
    tiny = hardware(activations=Sram(bytes=100, port_bits=64))
    y, _, z, _ = mapped(chain(), tiny)
    # y and z do not fit beside each other: z goes to DRAM and comes back
    assert (y.moved.dram_write, z.moved.dram_read, z.moved.dram_write) == (0, table, 512)


def test_rows_of_a_table_are_read_alone():
    g = Graph("rows")
    at = g.input("at", QType((BATCH, 3), UINT8))
    g.output(g.add(Gather(axis=0), constant(g, "table", (256, 10)), at, name="y"))
    (work,) = mapped(g, hardware())
    assert work.moved.dram_read == 3 * 8 + 3 * 10 * 8
    assert (work.uses, work.latency.compute) == ((), 0)


def test_a_sum_stays_in_its_lane():
    g = Graph("sums")
    x = g.input("x", QType((BATCH, 5, 12), INT8))
    g.output(g.add(Reduce(kind="sum", axes=(2,)), x, name="y"))
    h = hardware()
    lanes = {n: replace(h, vector=h.vector | {"reduce": replace(h.vector["reduce"], lanes=n)}) for n in (1, 2, 4, 8)}
    assert {n: mapped(g, x)[0].uses[0].cycles for n, x in lanes.items()} == {1: 60, 2: 36, 4: 24, 8: 12}


def test_floats_round_nothing():
    array = MatrixUnit(name="f", rows=2, columns=2, floating="fp32")
    mac = VectorUnit(family="float_mac", lanes=1, parameters={"format": "fp32", "acc": "fp32"})
    h = hardware(arrays=(array,), vector={"float_mac": mac}, numbers="float")
    product, requant = mapped(two_nodes(), h)
    assert (requant.uses, requant.latency.cycles, product.beside) == ((), 0, ())
    assert product.moved.dram_read == 4 * mapped(two_nodes(), hardware())[0].moved.dram_read


def test_blocks_run_on_a_block_array():
    g = Graph("blocks")
    x = g.input("x", QType((BATCH, 64), INT8))
    b = quantize_blocks(np.ones((64, 4)), MXFP4, axis=0)
    codes, exponents = g.add_all(BlockQuantize(block=32, lo=0, hi=6), x, names=("codes", "exponents"))
    w, s = g.constant("w", b.codes), g.constant("s", b.scales)
    op = BlockMatMul.exact(b, left=Interval(0, 6))
    g.output(g.add(op, codes, w, s, exponents, name="y"))
    h = hardware()
    array = MatrixUnit(name="mx", rows=2, columns=2, block="mxfp4", lanes=8)
    wide = {m: Sram(bytes=8192, port_bits=128) for m in ("weights", "activations", "outputs")}
    _, product = mapped(g, replace(h, arrays=(h.arrays[0], array), **wide))
    assert [(u.part, u.operations) for u in product.uses] == [("mx", 1 * 4 * 64 // 8)]
    # 64 elements of 4 bits and two exponents of 8, for each of 4 columns
    assert product.moved.dram_read == 4 * (64 * 4 + 2 * 8)
    with pytest.raises(ValueError, match="block_matmul on an array without blocks"):
        mapped(g, h)


def test_layers_are_what_names_begin_with():
    g = two_nodes()
    assert layer_of(g) == {"y.acc": "y", "y": "y"}
