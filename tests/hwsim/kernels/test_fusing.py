import pytest

from hwsim import INT8, INT16, INT32, UINT8, UINT16, Dyadic16, Graph, QType
from hwsim.contracts import TflmDouble
from hwsim.formats import IntFormat
from hwsim.kernels import machine
from hwsim.ops import Add, MatMul, Requant, Shift
from tests.hwsim.kernels.both import check, fixed, given, plan


def instructions(g):
    """Numbers of all instructions, stage after stage."""
    return [int(n) for s in plan(g).steps if s.program is not None for n in s.program.code[:, 0]]


def narrow(g, x, fmt=INT8, contract=Dyadic16, zero=0):
    return g.add(Requant.to(QType((), fmt, 300.7 * float(x.type.scale), zero), x.type, contract), x)


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16, UINT16, INT32, IntFormat("int33", 33)], ids=lambda f: f.name)
@pytest.mark.parametrize("width", [16, 17, 1])
def test_requantized_rows_are_written_where_they_go(width, fmt):
    g = Graph()
    g.output(narrow(g, given(g, "x", INT16, 5, width), fmt, zero=3))
    check(g, on_machine=fmt.bits <= 32)
    if fmt.bits <= 32:
        fused = width == 16
        assert (machine.STORE in instructions(g)) != fused
        assert (machine.SCALE in instructions(g)) == (width > 1)


def test_sums_are_written_where_they_go():
    for n, fused in ((32, True), (33, False)):
        g = Graph()
        g.output(g.add(MatMul(), given(g, "x", INT8, 25, 17), fixed(g, INT8, 17, n)))
        assert (machine.STORE in instructions(g)) != fused
        check(g)


def test_bytes_of_the_next_product_are_written_at_once():
    g = Graph()
    x = narrow(g, given(g, "x", INT16, 5, 17))
    g.output(g.add(MatMul(), x, fixed(g, INT8, 17, 32)))
    assert machine.NARROW not in instructions(g)
    check(g)


def test_two_readers_keep_the_register():
    g = Graph()
    x = narrow(g, given(g, "x", INT16, 5, 16))
    g.output(x, g.add(MatMul(), x, fixed(g, INT8, 16, 32)), g.add(Add(), x, x))
    assert {machine.NARROW, machine.STORE} <= set(instructions(g))
    check(g)


def test_one_reader_twice_keeps_the_register():
    g = Graph()
    x = narrow(g, given(g, "x", INT16, 5, 16))
    g.output(g.add(Add(), x, x))
    check(g)


def test_other_kernels_write_registers():
    g = Graph()
    x = given(g, "x", INT16, 5, 16)
    g.output(narrow(g, x, contract=TflmDouble), g.add(Shift(bits=3), x))
    assert instructions(g).count(machine.STORE) == 2
    check(g)


def test_unsigned_bytes_between_products():
    g = Graph()
    x = narrow(g, given(g, "x", INT16, 13, 17), UINT8, zero=128)
    y = narrow(
        g, g.add(MatMul(), x, fixed(g, INT8, 17, 48), fixed(g, INT16, 48, scale=float(x.type.scale))), UINT8, zero=200
    )
    g.output(g.add(MatMul(), y, fixed(g, INT8, 48, 16), fixed(g, INT16, 16, scale=float(y.type.scale))))
    check(g)
