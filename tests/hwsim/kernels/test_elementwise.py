import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, UINT8, UINT16, Dyadic16, Graph, QTensor, QType
from hwsim.formats import FP4_E2M1, FP8_E4M3, INT64, UINT1, UINT4, IntFormat
from hwsim.kernels import machine
from hwsim.kernels.elementwise import shift_short
from hwsim.ops import Add, Lut, Mul, Normalize, Pwl, Reduce, Requant, Reshape, Select, Shift, ShiftBy
from hwsim.ops.lut import table_size
from hwsim.rounding import ROUNDINGS
from tests.hwsim.kernels.both import WIDTHS, alone, check, codes, fixed, given, plan

UINT5 = IntFormat("uint5", 5, signed=False)
FULL = (-(1 << 31), (1 << 31) - 1)


def constants(g, fmt, width, **more):
    """Second operands of (4, 17, width) that are constant: single numbers, a row, columns, rows again each image."""
    shapes = {
        (),
        (1,),
        (1, 1, 1),
        (width,),
        (1, width),
        (17, 1),
        (17, width),
        (4, 1, width),
        (4, 17, width),
        (1, 4, 1, 1),
    }
    return [fixed(g, fmt, *s, seed=i, **more) for i, s in enumerate(sorted(shapes))]


def computed(g, fmt, width, **more):
    """Second operands that are computed, broadcast over heads, rows or columns."""
    shapes = sorted({(1, 17, width), (4, 1, width), (4, 17, 1), (1, 1, 1), (1, 17, 1)})
    made = []
    for i, s in enumerate(shapes):
        x = given(g, f"s{i}", fmt, *s, **more)
        # Why twice: read from an array of the caller, and of a stage
        made += [x, g.add(Requant.to(QType((), fmt, more.get("scale", 1.0), 0), x.type, Dyadic16), x)]
    return made


@pytest.mark.parametrize("width", WIDTHS)
def test_sums_and_products_with_all_second_operands(width):
    g = Graph()
    x = given(g, "x", INT16, 4, 17, width, zero=5)
    others = [*constants(g, INT8, width), *computed(g, INT8, width), x]
    for i, y in enumerate(others):
        g.output(g.add(Add(), *((x, y) if i % 2 else (y, x))), g.add(Mul(), *((y, x) if i % 2 else (x, y))))
    check(g)


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT4, INT16, UINT16, IntFormat("uint12", 12, signed=False)])
def test_all_containers_and_zero_points(fmt):
    g = Graph()
    x, y = given(g, "x", fmt, 3, 17, zero=fmt.max_int), given(g, "y", fmt, 3, 17, zero=fmt.min_int)
    c = fixed(g, fmt, 17, zero=fmt.max_int)
    for other in (y, c, x):
        g.output(g.add(Add(fmt=INT64), x, other))
    ends = x.type.fmt.max_int - x.type.fmt.min_int
    if ends**2 < 1 << 31:
        g.output(*(g.add(Mul(), x, other) for other in (y, c, x)))
    check(g)


def test_the_ends_of_int32():
    g = Graph()
    x = given(g, "x", INT32, 2, 17)
    one = g.constant("one", QTensor(QType((), INT8), np.array(1, np.int8)))
    low = g.add(Shift(bits=1, fmt=INT32), x)
    g.output(g.add(Add(), low, low), g.add(Mul(), x, one), g.add(Reduce(kind="max", axes=(2,)), x))
    g.output(g.add(Reduce(kind="min", axes=(2,)), x))
    ends = np.random.default_rng(0).choice([-(1 << 31), (1 << 31) - 1, 0, -1], (3, 2, 17)).astype(np.int32)
    check(g, {"x": ends})


def test_products_of_widest_differences():
    g = Graph()
    x, y = (given(g, name, INT32, 3, 1, zero=0) for name in "xy")
    tiny = [g.add(Shift(bits=16), v) for v in (x, y)]
    g.output(g.add(Mul(), *tiny))  # up to 2**30
    check(g)


@pytest.mark.parametrize("width", WIDTHS)
def test_masks(width):
    g = Graph()
    x, y = given(g, "x", INT8, 4, 17, width), given(g, "y", INT8, 4, 17, width)
    masks = [
        given(g, "m", UINT1, 4, 17, width),
        given(g, "heads", UINT8, 1, 17, width),
        given(g, "row", UINT1, 1, 1, width),
    ]
    masks += [fixed(g, UINT1, 17, width), fixed(g, UINT8, width), fixed(g, UINT1, 4, 17, width)]
    others = [y, x, fixed(g, INT8), fixed(g, INT8, width), fixed(g, INT8, 17, width), fixed(g, INT8, 17, 1)]
    for m in masks:
        for other in others:
            g.output(g.add(Select(), m, x, other), g.add(Select(), m, other, x))
    check(g)


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_masks_of_rows(width):
    g = Graph()
    x, y = given(g, "x", INT8, 4, 17, width), given(g, "y", INT8, 4, 17, width)
    masks = [given(g, "m", UINT1, 4, 17, 1), given(g, "heads", UINT8, 1, 17, 1), fixed(g, UINT1, 17, 1)]
    masks += [
        fixed(g, UINT1, 1),
        fixed(g, UINT8, 4, 1, 1),
        g.add(Requant.to(QType((), UINT1), masks[1].type, Dyadic16), masks[1]),
    ]
    others = [y, x, fixed(g, INT8), fixed(g, INT8, width), fixed(g, INT8, 17, width)]
    for m in masks:
        for other in others:
            g.output(g.add(Select(), m, x, other), g.add(Select(), m, other, x))
    check(g)


def test_a_mask_of_no_axis_runs_on_its_own():
    g = Graph()
    x = given(g, "x", INT8, 3, 5)
    g.output(g.add(Select(), fixed(g, UINT1), x, x))
    assert alone(g) == ["select"]
    check(g, on_machine=False)


def test_rows_of_one_number_are_no_vectors():
    """A kernel that writes 16 numbers a row would write where the next ones are."""
    g = Graph()
    x, m = given(g, "x", INT8, 5, 1), given(g, "m", UINT8, 5, 1)
    g.output(g.add(Select(), m, x, fixed(g, INT8)))
    (kind,) = [c[9] for s in plan(g).steps for c in s.program.code if c[0] == machine.SELECT]
    assert kind == 0
    check(g)


def test_masks_and_operands_of_rows_run_on_their_own():
    g = Graph()
    x = given(g, "x", INT8, 3, 5)
    g.output(g.add(Select(), fixed(g, UINT1, 3, 1), x, fixed(g, INT8, 3, 1)))
    assert alone(g) == ["select"]
    check(g, on_machine=False)


def test_choices_of_float_codes():
    g = Graph()
    x, m = given(g, "x", FP8_E4M3, 3, 17), given(g, "m", UINT1, 3, 17)
    g.output(g.add(Select(), m, x, fixed(g, FP8_E4M3, 17)), g.add(Select(), m, fixed(g, FP8_E4M3), x))
    check(g)


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT4, UINT4, FP4_E2M1, FP8_E4M3])
def test_tables(fmt):
    g = Graph()
    for width in (1, 2, 16, 65):
        x = given(g, f"x{width}", fmt, 3, width)
        for out in (INT8, UINT8, INT16):
            table = codes(out, table_size(fmt), seed=width).tolist()
            g.output(g.add(Lut(table=tuple(table), fmt=out, scale=0.1), x))
    check(g)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_pieces_of_lines(rounding):
    g = Graph()
    x = given(g, "x", INT16, 3, 17)
    y = g.add(Requant.to(QType((), INT16, 100.0, 3), x.type, Dyadic16), x)  # reach less than the format
    op = Pwl(
        breakpoints=(-300, 2, 90), slopes=(-3, 7, 100, -128), intercepts=(5, -900, 77, 0), shift=5, rounding=rounding,
        fmt=INT8, zero_point=1,
    )  # fmt: skip
    g.output(g.add(op, x), g.add(op, y))
    check(g)


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min", "sum_square"])
@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16, UINT16])
def test_rows_to_one_number(fmt, kind):
    g = Graph()
    for width in WIDTHS:
        for out in (INT32, INT64):
            x = given(g, f"x{width} {out.name}", fmt, 5, width)
            if kind != "sum_square" or out is INT64 or fmt.bits == 8:
                g.output(g.add(Reduce(kind=kind, axes=(2,), fmt=out), x))
    check(g)


def test_64_bits_come_back_to_32():
    g = Graph()
    x = given(g, "x", INT16, 3, 2)
    square = g.add(Reduce(kind="sum_square", axes=(2,), fmt=INT64), x)
    assert g.reach[square.name].hi == 1 << 31
    y = g.add(Add(fmt=INT32), square, g.constant("c", QTensor(QType((1,), INT8), np.array([-5], np.int8))))
    g.output(y, g.add(Requant.to(QType((), INT8, 1e6), y.type, Dyadic16), y))
    check(g, {"x": np.full((3, 3, 2), -32768, np.int16)})
    check(g)


def test_64_bits_and_a_constant_of_floats():
    g = Graph()
    x = given(g, "x", INT16, 3, 2)
    square = g.add(Reduce(kind="sum_square", axes=(2,), fmt=INT64), x)
    scale = 2.0**-FP4_E2M1.lsb_exp
    c = g.constant("c", QTensor(QType((1,), FP4_E2M1, scale), np.array([15], np.uint8)))
    g.output(g.add(Add(fmt=INT64), square, c))
    check(g)


def test_leading_ones():
    g = Graph()
    x = given(g, "x", INT16, 3, 17)
    square = g.add(Reduce(kind="sum_square", axes=(2,), fmt=INT64), x)
    for bits in (2, 9, 16):
        g.output(*g.add_all(Normalize(bits=bits), square))
    y = given(g, "y", INT32, 3, 1)
    g.output(*g.add_all(Normalize(bits=9), y))
    check(g)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_shifts(rounding):
    g = Graph()
    for width in (1, 17):
        x = given(g, f"x{width}", INT32, 3, width)
        for bits in (0, 1, 7, 30, 31):
            g.output(g.add(Shift(bits=bits, rounding=rounding), x))
        y = given(g, f"y{width}", INT8, 3, width)
        g.output(*(g.add(Shift(bits=-bits, rounding=rounding), y) for bits in (1, 20, 24)))
    check(g)


@pytest.mark.parametrize("width", WIDTHS)
def test_shifts_by_numbers(width):
    g = Graph()
    x = given(g, "x", INT32, 4, 17, width)
    counts = [fixed(g, UINT5, 17, 1), fixed(g, UINT5, width), fixed(g, UINT5, 4, 17, width), fixed(g, UINT5)]
    counts += [given(g, "rows", UINT5, 4, 17, 1), given(g, "all", UINT5, 4, 17, width)]
    for i, (s, rounding) in enumerate((s, r) for s in counts for r in ROUNDINGS):
        g.output(g.add(ShiftBy(bits=i % 3 * 15, rounding=rounding, fmt=(INT8, UINT8, INT16)[i % 3]), x, s))
    check(g, on_machine=False)
    assert set(alone(g)) <= {"shift_by"}  # numbers of other columns


def test_shifts_that_fit_32_bits():
    """All counts a row may have, at the ends of x and around ties."""
    g = Graph()
    x, counts = given(g, "x", IntFormat("int31", 31), 32, 17), given(g, "s", UINT5, 32, 1)
    g.output(*(g.add(ShiftBy(bits=b, rounding="half_up", fmt=INT16), x, counts) for b in (0, 1, 2)))
    most = given(g, "most", INT32, 32, 17)
    g.output(g.add(ShiftBy(bits=1, rounding="half_up", fmt=INT32), most, counts))
    ties = codes(INT16, 2, 32, 17).astype(np.int32) << (np.arange(32) % 15)[:, None]
    ties[:, :, :4] = [-(1 << 30), (1 << 30) - 1, -1, 0]
    rows = np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None], (2, 32, 1)).copy()
    check(g, {"x": ties, "s": rows, "most": np.full_like(ties, FULL[1])}, samples=2)
    ends = np.array([-(1 << 31), 1 - (1 << 31), -3, -2, -1, 0, 1, 2, (1 << 31) - 3, (1 << 31) - 2] * 2, np.int32)[:16]
    y = np.empty_like(ends)
    for bits in range(1, 33):
        count = np.array([bits], np.int32)
        shift_short.dispatcher(*(a.ctypes.data for a in (y, ends, count)), 1, 16, 0, 0, *FULL, 2, 0, 0)
        assert y.tolist() == [(int(v) + (1 << bits - 1)) >> bits for v in ends]


def test_other_names_for_the_same_rows():
    g = Graph()
    x = given(g, "x", INT8, 4, 3, 17)
    y = g.add(Add(), x, x)
    z = g.add(Reshape(shape=(12, 17)), y)
    g.output(y, z, g.add(Requant.to(QType((), INT8, 2.0), z.type, Dyadic16), z))
    g.output(g.add(Reshape(shape=(17, 12)), y), g.add(Reshape(shape=(1, 12, 17)), x))
    check(g, on_machine=False)
