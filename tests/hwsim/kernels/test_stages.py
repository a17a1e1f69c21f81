from hwsim import INT8, UINT8, Dyadic16, Graph, QType
from hwsim.formats import IntFormat
from hwsim.kernels.stages import fits, folded, stages
from hwsim.ops import Add, Lut, MatMul, Reduce, Requant, Reshape, Shift, Transpose
from tests.hwsim.kernels.both import check, codes, fixed, given


def narrow(g, x, fmt=INT8, scale=900.0):
    return g.add(Requant.to(QType((), fmt, scale * float(x.type.scale)), x.type, Dyadic16), x)


def made(g):
    """Rows and names of the ops of each stage."""
    return [(s.rows, [n.op.name for n in s.nodes]) for s in stages(g, folded(g))]


def test_an_attention_is_projections_views_and_one_stage():
    g, heads, rows, k = Graph(), 3, 17, 16
    x = given(g, "x", INT8, rows, heads * k)
    split = []
    for _ in range(3):
        y = narrow(g, g.add(MatMul(), x, fixed(g, INT8, heads * k, heads * k, seed=len(split))))
        y = g.add(Reshape(shape=(rows, heads, k)), y)
        split.append(g.add(Transpose(perm=(0, 2, 1, 3)), y))
    q, key, v = split
    scores = g.add(MatMul(), q, g.add(Transpose(perm=(0, 1, 3, 2)), key))
    likely = g.add(Lut(table=tuple(codes(UINT8, 256).tolist()), fmt=UINT8, scale=1.0), narrow(g, scores))
    total = g.add(Reduce(kind="sum", axes=(3,)), likely)
    context = narrow(g, g.add(MatMul(), likely, v))
    g.output(context, total)
    names = made(g)
    assert names[0] == (rows, ["matmul", "requant"] * 3)
    assert names[-1] == (heads * rows, ["matmul", "requant", "lut", "reduce", "matmul", "requant"])
    assert {n for r, ops in names[1:-1] for n in ops} == {"reshape", "transpose"}
    assert all(r == 0 for r, _ in names[1:-1])
    check(g, on_machine=False)


def test_groups_of_two_sizes_are_two_stages():
    g = Graph()
    outs = []
    for rows, groups in ((6, 2), (4, 3)):  # 12 rows both
        a, b = given(g, f"a{rows}", INT8, groups, rows, 17), given(g, f"b{rows}", INT8, groups, 17, 5)
        outs.append(g.add(MatMul(), a, b))
    g.output(*outs)
    assert [s.rows for s in stages(g, folded(g))] == [12, 12]
    check(g)


def test_a_node_joins_the_first_stage_of_its_rows():
    g = Graph()
    x = given(g, "x", INT8, 5, 17)
    total = g.add(Reduce(kind="sum", axes=(1,)), x)  # one row
    y = g.add(Add(), x, total)  # five, after one
    g.output(y, g.add(Shift(bits=1), y), g.add(Shift(bits=2), total), g.add(Shift(bits=2), x))
    assert made(g) == [(1, ["reduce", "shift"]), (5, ["add", "shift", "shift"])]
    check(g)


def test_a_sum_over_rows_reads_an_array():
    g = Graph()
    x = given(g, "x", INT8, 1, 17)
    y = narrow(g, g.add(Add(), x, x), scale=3.0)
    g.output(g.add(Add(), g.add(Reduce(kind="sum", axes=(1,)), y), g.add(Reduce(kind="sum", axes=(2,)), y)))
    check(g, on_machine=False)


def test_names_of_computed_rows_stay_names_of_arrays_run_alone():
    g = Graph()
    x = given(g, "x", INT8, 4, 3, 17)
    flat = g.add(Reshape(shape=(12, 17)), x)
    y = g.add(Shift(bits=1), flat)
    g.output(g.add(Reshape(shape=(4, 3, 17)), y))
    assert made(g) == [(0, ["reshape"]), (12, ["shift", "reshape"])]
    check(g, on_machine=False)


def test_constants_are_folded():
    g = Graph()
    c = fixed(g, INT8, 17)
    d = g.add(Add(), c, c)
    g.output(g.add(Add(), given(g, "x", INT8, 17), g.add(Add(), d, d)))
    assert made(g) == [(1, ["add"])]
    assert folded(g)[d.name].codes.tolist() == [2 * int(v) for v in g.constants[c.name].codes]
    check(g)


def test_what_has_no_rows_or_no_rule_does_not_fit():
    g = Graph()
    x = given(g, "x", INT8, 4, 17)
    single = given(g, "single", INT8)
    wide = given(g, "wide", IntFormat("uint32", 32, signed=False), 17)
    nodes = [g.add(Add(), single, single), g.add(Transpose(perm=(0, 2, 1)), x), g.add(Shift(bits=8), wide)]
    g.output(*nodes, g.add(Shift(bits=1), x))
    assert [fits(g, folded(g), n) for n in g.nodes] == [False, False, False, True]
    check(g, on_machine=False)
