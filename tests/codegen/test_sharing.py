"""Which inputs a step may write over, which values need no step; then the C that does it, run by the book of 6.5p7."""

from __future__ import annotations

import re

import numpy as np
import pytest

from codegen import emit_c
from codegen.c import write
from codegen.layout import Layout
from codegen.program import Program
from codegen.runners.c import SANITIZERS, STRICT, compile_and_run, compilers
from codegen.sharing import overwritable
from codegen.targets import target_named
from hwsim.contracts import Dyadic16
from hwsim.formats import INT8, INT16, INT32, INT64, UINT8, Codes, IntFormat
from hwsim.graph import Graph, Value
from hwsim.ops import Add, Lut, MatMul, Mul, Normalize, Reduce, Requant, Reshape, Slice, Split, Transpose
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate
from tests.compare import assert_same

TURN = Transpose(perm=(0, 2, 1))
SAME = Lut(table=tuple(range(-128, 128)))
TURNED = Lut(table=tuple(range(127, -129, -1)))

BUILDS = (
    ("gcc", ("-O1", *STRICT, *SANITIZERS)),
    ("gcc", ("-O3", *STRICT)),
    ("clang", ("-O3", *STRICT)),
)


def layout_of(graph: Graph, *, trace: bool = False) -> Layout:
    return write(Program.of(graph, target_named("generic"), trace=trace))[1]


def place(layout: Layout, v: Value) -> str:
    return layout.places[v.name].split(") ")[-1].replace("(int8_t *)", "").replace("(uint8_t *)", "")


def run_everywhere(graph: Graph, codes: dict[str, Codes]) -> None:
    """Outputs of the release, every value of the trace, with sanitizers and with all that -O3 knows of aliases."""
    for trace in (False, True):
        want = simulate(graph, codes, engine="numpy", trace=trace)
        for compiler, flags in BUILDS:
            got = compile_and_run(graph, codes, compilers()[compiler], flags, trace=trace)
            for v in graph.results(trace=trace):
                assert_same(want[v.name], got[v.name], what=f"{v.name} by {compiler}")


def source(g: Graph, shape: tuple[int, ...] = (3, 7), fmt: object = INT8) -> Value:
    """A computed value that only the next step reads: a product by 1 keeps it from being the caller's."""
    x = g.input("x", QType((BATCH, *shape), fmt))  # type: ignore[arg-type]
    return g.add(Transpose(perm=(0, *range(len(shape), 0, -1))), x)


def narrowed(fmt: IntFormat, scale: float, source: QType) -> Requant:
    return Requant.to(QType((), fmt, scale), source, Dyadic16)


def codes_of(g: Graph) -> dict[str, Codes]:
    rng = np.random.default_rng(0)

    def draw(t: QType) -> Codes:
        return rng.integers(t.fmt.min_int, t.fmt.max_int, (5, *t.sample_shape), endpoint=True).astype(t.fmt.dtype)

    return {v.name: draw(v.type) for v in g.inputs}


def test_only_loops_over_the_result_write_over_an_input() -> None:
    g = Graph("m")
    x = source(g)
    row = g.constant("row", QTensor(QType((3,), INT8), np.ones(3, np.int8)))
    wide = g.add(Add(fmt=INT32), x, row)
    g.add(TURN, x)
    g.add(Reduce(kind="sum", axes=(2,), fmt=INT32), x)
    g.add(SAME, x)
    g.add_all(Normalize(bits=8), wide)
    names = [[v.name for v in overwritable(n)] for n in g.nodes]
    assert names == [[], [x.name], [], [], [x.name], [wide.name]]  # the row is broadcast: read again and again


@pytest.mark.parametrize("second", ["itself", "row", "column", "value"])
@pytest.mark.parametrize("op", [Add, Mul])
def test_sums_and_products_in_place(op: type[Add] | type[Mul], second: str) -> None:
    g = Graph("m")
    x = source(g, fmt=INT16)
    shape = {"row": (3,), "column": (7, 1)}.get(second, (7, 3))
    other = g.constant("c", QTensor(QType(shape, INT16), np.arange(np.prod(shape), dtype=np.int16).reshape(shape)))
    y = x if second == "itself" else g.input("y", QType((BATCH, 7, 3), INT16)) if second == "value" else other
    z = g.add(narrowed(INT8, 2.0**9, op(fmt=INT32).out_type(x.type, y.type)), g.add(op(fmt=INT32), x, y))
    out = g.add(TURN, z)
    g.output(out)
    layout = layout_of(g)
    assert place(layout, x) == place(layout, z)  # bytes over INT16, in the loop of the sum
    run_everywhere(g, codes_of(g))


def test_a_broadcast_operand_is_left_alone() -> None:
    g = Graph("m")
    x = source(g, (3, 1))  # (1, 3), read again in each row
    y = g.input("y", QType((BATCH, 7, 3), INT8))
    z = g.add(SAME, x)
    s = g.add(Add(fmt=INT32), z, y)
    g.output(g.add(TURN, s))
    buffers = {b.key: b for b in layout_of(g).buffers}
    assert not buffers[s.name].over
    run_everywhere(g, codes_of(g))


def test_an_input_read_twice_in_two_shapes_is_left_alone() -> None:
    """A piece of the same buffer is read in every row, so the first row must stay."""
    g = Graph("m")
    x = source(g, (3, 7))  # (7, 3)
    s = g.add(Add(fmt=INT32), x, g.add(Slice(axis=1, start=0, stop=1), x))
    z = g.add(narrowed(INT8, 2.0, s.type), s)
    large = g.add(TURN, g.input("y", QType((BATCH, 30, 30), INT8)))  # next to which a view costs nothing
    g.output(g.add(TURN, z), g.add(TURN, large))
    layout = layout_of(g)
    assert "slice" not in [step.chain[0][1].op.name for step in layout.steps]
    assert not next(b for b in layout.buffers if b.key == z.name).over
    run_everywhere(g, codes_of(g))


def test_a_wider_result_is_not_written_over_a_piece() -> None:
    """Both halves fit the place of the whole, but element 1 of the result would end in element 2 of the piece."""
    g = Graph("m")
    half = g.add(Slice(axis=1, start=0, stop=7), source(g, (3, 14)))
    wide = g.add(Lut(table=tuple(range(-12800, 12800, 100)), fmt=INT16), half)
    large = g.add(TURN, g.input("y", QType((BATCH, 30, 30), INT8)))
    g.output(g.add(TURN, wide), g.add(TURN, large))
    layout = layout_of(g)
    assert "slice" not in [step.chain[0][1].op.name for step in layout.steps]
    assert not any(b.over for b in layout.buffers)
    run_everywhere(g, codes_of(g))


def test_what_is_read_later_is_left_alone() -> None:
    g = Graph("m")
    x = source(g)
    y = g.add(TURNED, x)
    g.output(g.add(TURN, y), g.add(Reduce(kind="max", axes=(1, 2), fmt=INT8), x))
    layout = layout_of(g)
    assert place(layout, x) != place(layout, y)
    run_everywhere(g, codes_of(g))


def test_narrower_results_of_each_width() -> None:
    """INT64 to bytes, INT32 to bytes, UINT8 over INT8: one place all the way, in the arena of the widest."""
    for wide in (INT32, INT64):
        g = Graph("m")
        x = source(g)
        s = g.add(Reduce(kind="sum", axes=(1,), fmt=wide), x)
        for v in (UINT8, INT8):
            s = g.add(narrowed(v, 2.0, s.type), s)
            s = g.add(Reshape(shape=(3, 1)), s)
        g.output(g.add(Reduce(kind="max", axes=(1, 2), fmt=INT8), s))
        run_everywhere(g, codes_of(g))


def test_views_of_inputs_results_outputs_and_pieces() -> None:
    g = Graph("m")
    x = g.input("x", QType((BATCH, 4, 3), INT8))
    flat = g.add(Reshape(shape=(12,)), x)  # of the caller's input
    back = g.add(Reshape(shape=(2, 6)), g.add(SAME, flat))
    first, second = g.add_all(Split(axis=1, sizes=(1, 1)), back)
    cut = g.add(Slice(axis=1, start=2, stop=4), x)
    last = g.add(Reshape(shape=(6,)), g.add(TURNED, cut))
    total = g.add(Add(fmt=INT32), first, second)
    g.output(g.add(TURN, total), last)
    layout = layout_of(g)
    assert [s.chain[0][1].op.name for s in layout.steps] == ["lut", "lut", "add", "transpose"]
    assert [layout.places[v.name] for v in (flat, cut)] == ["x", "x + 6"]
    assert "arena" not in layout.places[last.name]
    assert not re.search(r"m_step[0346]\b", emit_c(g)["m.c"])  # an unused static function would be an error
    assert [s.chain[0][1].op.name for s in layout_of(g, trace=True).steps] == [n.op.name for n in g.nodes]
    run_everywhere(g, codes_of(g))


def test_what_lies_in_pieces_is_copied() -> None:
    """Every second row, columns of each row; but a column of one row is a piece."""
    g = Graph("m")
    x = g.input("x", QType((BATCH, 4, 3), INT8))
    rows = g.add(Slice(axis=1, start=0, stop=4, step=2), x)
    left, right = g.add_all(Split(axis=2, sizes=(1, 2)), rows)
    row = g.add(Slice(axis=1, start=1, stop=2), right)
    last = g.add(Slice(axis=2, start=1, stop=2), row)
    g.output(*(g.add(Reduce(kind="max", axes=(1, 2), fmt=INT8), v) for v in (left, last)))
    assert [s.chain[0][1].op.name for s in layout_of(g).steps] == ["slice", "split", "reduce", "reduce"]
    run_everywhere(g, codes_of(g))


def test_outputs_that_are_the_same_memory_are_copied() -> None:
    g = Graph("m")
    x = g.input("x", QType((BATCH, 4), INT8))
    y = g.add(TURNED, x)
    g.output(*(g.add(Reshape(shape=s), v) for v in (x, y) for s in ((2, 2), (4, 1))), y, x)
    run_everywhere(g, codes_of(g))
    h = Graph("m")
    z = h.add(TURNED, h.input("x", QType((BATCH, 4), INT8)))
    h.output(h.add(Reshape(shape=(2, 2)), z), h.add(Reshape(shape=(4, 1)), z), h.add(Slice(axis=1, start=1, stop=3), z))
    assert [s.chain[0][1].op.name for s in layout_of(h).steps] == [
        "lut",
        "reshape",
        "slice",
    ]  # the first is made in place
    run_everywhere(h, codes_of(h))


def test_pieces_that_would_keep_the_whole_alive_are_copied() -> None:
    g = Graph("m")
    x = source(g, (50, 8))
    piece = g.add(Slice(axis=1, start=0, stop=1), x)
    rows = g.add(SAME, x)
    wide = g.add(MatMul(), rows, g.constant("w", QTensor(QType((50, 90), INT8), np.ones((50, 90), np.int8))))
    narrow = g.add(narrowed(INT8, 40.0, wide.type), wide)
    g.output(
        g.add(Reduce(kind="max", axes=(1, 2), fmt=INT8), narrow),
        g.add(Reduce(kind="max", axes=(1, 2), fmt=INT8), piece),
    )
    assert "slice" in [s.chain[0][1].op.name for s in layout_of(g).steps]
    run_everywhere(g, codes_of(g))


def test_a_step_that_may_not_work_in_place_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a transpose written over its input, gcc would say so, and without `restrict` codes would differ."""
    g = Graph("m")
    t = g.add(TURN, source(g))
    g.output(g.add(Reduce(kind="max", axes=(1,), fmt=INT8), t))
    monkeypatch.setattr("codegen.layout.overwritable", lambda node: list(node.ins))
    with pytest.raises(RuntimeError, match="restrict"):  # the compiler's own complaint
        run_everywhere(g, codes_of(g))
    monkeypatch.setattr("codegen.c.overwritable", lambda node: list(node.ins))
    with pytest.raises(AssertionError):
        run_everywhere(g, codes_of(g))
