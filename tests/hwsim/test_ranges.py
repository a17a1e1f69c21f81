from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim import FP8_E5M2, INT8, INT16, INT32, INT48, INT64, UINT4, Graph, QTensor, QType, ranges, simulate
from hwsim.formats import FORMATS
from hwsim.ops import MatMul
from hwsim.ranges import (
    Interval,
    dot_bound,
    format_interval,
    tensor_interval,
    witness,
    zero_points,
)
from tests.compare import all_codes, assert_one_line, assert_same
from tests.random_graphs import random_graph

integers = st.integers(-20, 20)
intervals = st.tuples(integers, integers).map(lambda t: Interval(min(t), max(t)))


def members(i):
    return range(i.lo, i.hi + 1)


@given(intervals, intervals, integers)
def test_interval_operations_hold_every_member_and_no_more(a, b, by):
    products = [x * y for x in members(a) for y in members(b)]
    assert a.times(b) == (min(products), max(products))
    assert a.shifted(by) == (a.lo + by, a.hi + by)
    assert a.union(b) == (min(a.lo, b.lo), max(a.hi, b.hi))
    clipped = [min(max(x, b.lo), b.hi) for x in members(a)]
    assert a.clip(b) == (min(clipped), max(clipped))
    assert a.inside(b) == (set(members(a)) <= set(members(b)))
    assert a.magnitude == max(abs(x) for x in members(a))


@pytest.mark.parametrize("end", [-129, -128, -127, -9, -8, -7, -2, -1, 0, 1, 7, 8, 127, 128])
def test_bits_are_the_fewest_that_hold_every_member(end):
    for i in (Interval(end, end), Interval(min(end, 0), max(end, 0)), Interval(end, end + 3), Interval(end - 3, end)):
        fewest = next(n for n in range(1, 12) if -(1 << (n - 1)) <= i.lo and i.hi < 1 << (n - 1))
        assert i.bits == fewest, i


def test_what_formats_and_tensors_can_name():
    for fmt in FORMATS.values():
        assert format_interval(fmt) == (fmt.min_int, fmt.max_int)
    t = QTensor(QType((3,), INT8, 0.5, (1, -2, 3), axis=0), np.array([5, -7, 0], np.int8))
    assert tensor_interval(t) == (-7, 5)
    assert zero_points(t.type) == (-2, 3)
    assert zero_points(QType((), INT8, 0.5, 4)) == (4, 4)


@st.composite
def dots(draw):
    """Weights (k, n), what x reaches, a start, and one x inside."""
    k, n = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    weights = draw(st.lists(st.lists(st.integers(-8, 7), min_size=n, max_size=n), min_size=k, max_size=k))
    reach, start = draw(intervals), draw(st.lists(integers, min_size=n, max_size=n))
    x = draw(st.lists(st.integers(reach.lo, reach.hi), min_size=k, max_size=k))
    tree, drop = draw(st.sampled_from([1, 2, 4])), draw(st.integers(0, 3))
    return np.array(weights), reach, np.array(start), np.array(x), (lambda p: p >> drop), tree


def states(x, weights, start, cut, tree):
    """The accumulator at its start and after every step, (steps, n)."""
    terms = cut(x[:, None] * weights)
    return np.array([start + terms[:k].sum(0) for k in (*range(0, len(x), tree), len(x))])


@given(dots())
def test_dot_bound_holds_every_partial_sum_in_the_stated_order(case):
    weights, reach, start, x, cut, tree = case
    bound = dot_bound(weights, reach, start, cut, tree)
    sums = states(x, weights, start, cut, tree)
    assert (bound.lo <= sums).all()
    assert (sums <= bound.hi).all()
    assert bound.interval == (bound.lo.min(), bound.hi.max())


@given(dots(), st.randoms(use_true_random=False))
def test_where_inputs_may_be_0_it_holds_in_any_order(case, random):
    weights, reach, start, _, cut, tree = case
    reach, order = reach.union(Interval(0, 0)), random.sample(range(len(weights)), len(weights))
    a, b = dot_bound(weights, reach, start, cut, tree), dot_bound(weights[order], reach, start, cut)
    assert (a.lo == b.lo).all()
    assert (a.hi == b.hi).all()


@given(dots())
def test_a_witness_stays_in_reach_and_some_step_of_it_is_at_the_bound(case):
    """Inputs that may be 0 or not, cut products, adder trees: no bound could be tighter."""
    weights, reach, start, _, cut, tree = case
    bound = dot_bound(weights, reach, start, cut, tree)
    for c in range(weights.shape[1]):
        for top, limit, best in ((True, bound.hi[c], np.max), (False, bound.lo[c], np.min)):
            x = witness(weights, reach, c, top=top, cut=cut, tree=tree)
            assert reach.lo <= x.min()
            assert x.max() <= reach.hi
            assert best(states(x, weights, start, cut, tree)[:, c]) == limit


def layer(weights, x_fmt, start, acc=INT32):
    g = Graph("layer")
    x = g.input("x", QType(("N", len(weights)), x_fmt))
    w = g.constant("w", QTensor(QType(weights.shape, INT8), weights.astype(np.int8)))
    b = g.constant("b", QTensor(QType(start.shape, INT32), start.astype(np.int32)))
    g.output(g.add(MatMul(acc=acc), x, w, b, name="y"))
    return g


@given(st.integers(0, 10_000), st.sampled_from([INT8, UINT4, INT16]))
def test_a_witness_reaches_the_bound_in_the_simulator(seed, fmt):
    rng = np.random.default_rng(seed)
    weights, start = rng.integers(-128, 128, (rng.integers(1, 30), 3)), rng.integers(-9999, 9999, 3)
    g, reach = layer(weights, fmt, start), format_interval(fmt)
    bound = dot_bound(weights, reach, start)
    for top, limit in ((True, bound.hi), (False, bound.lo)):
        x = np.stack([witness(weights, reach, c, top=top) for c in range(3)])
        y = simulate(g, {"x": x}, engine="numpy")["y"]
        assert_same(limit, np.diagonal(y), what=f"witness, top={top}")
    assert g.reach["y"] == (min(bound.lo.min(), 0), max(bound.hi.max(), 0))


def test_an_accumulator_is_refused_from_one_bit_too_few_on():
    weights, start = np.array([[127], [-128]]), np.array([7])
    high, low = 7 + 127 * 127 + 128 * 128, 7 - 128 * 127 - 127 * 128
    g = layer(weights, INT8, start)
    assert g.reach["y"] == (low, high)
    assert g.reach["y"].bits == 16
    layer(weights, INT8, start, INT16)
    with pytest.raises(ValueError, match="int16") as e:  # one more weight: 16 bits no longer do
        layer(np.array([[127], [-128], [2]]), INT8, start, INT16)
    assert_one_line(e.value, str(high + 2 * 127), str(low - 2 * 128), "matmul")


@pytest.mark.parametrize(("x_fmt", "w_fmt", "code"), [(INT32, INT48, 2**46), (FP8_E5M2, FP8_E5M2, 0x7B)])
def test_an_accumulator_over_64_bits_is_refused(x_fmt, w_fmt, code):
    g = Graph("wide")
    x = g.input("x", QType((1,), x_fmt))
    w = g.constant("w", QTensor(QType((1, 1), w_fmt), np.array([[code]], w_fmt.dtype)))
    reach = format_interval(x_fmt).times(tensor_interval(g.constants["w"]))
    assert not reach.inside(format_interval(INT64))
    with pytest.raises(ValueError, match="int64") as e:
        g.add(MatMul(acc=INT64), x, w)
    assert_one_line(e.value, str(reach.hi))


@pytest.mark.parametrize("seed", range(60))
def test_no_value_of_a_graph_leaves_its_reach(seed):
    g, inputs = random_graph(seed)
    got = simulate(g, inputs, engine="numpy", trace=True)
    for v in g.values():
        y, reach = v.type.fmt.to_int(got[v.name]), g.reach[v.name]
        assert reach.inside(format_interval(v.type.fmt))
        assert reach.lo <= y.min(), v.name
        assert y.max() <= reach.hi, v.name


def test_a_computed_bias_and_computed_operands_are_bounded_too():
    rng = np.random.default_rng(0)
    g = Graph("computed")
    a, b = g.input("a", QType(("N", 2, 3), INT8)), g.input("b", QType(("N", 3, 4), INT8))
    start = g.input("start", QType((4,), INT16))
    w = g.constant("w", QTensor(QType((3, 4), INT8), rng.integers(-128, 128, (3, 4)).astype(np.int8)))
    values = [g.add(MatMul(), a, b, start, name="ab"), g.add(MatMul(), a, w, start, name="aw")]
    g.output(*values)
    ends = np.array([-128, 127])
    data = {"a": rng.choice(ends, (500, 2, 3)), "b": rng.choice(ends, (500, 3, 4)), "start": [-32768, 32767, 0, 5]}
    got = simulate(g, {k: np.asarray(v) for k, v in data.items()})
    assert g.reach["ab"] == (-32768 - 3 * 128 * 127, 32767 + 3 * 128 * 128)
    for v in values:
        lo, hi = got[v.name].min(), got[v.name].max()
        assert Interval(int(lo), int(hi)).inside(g.reach[v.name])
    assert all(x < y for x, y in pairwise([g.reach["aw"].lo, 0, g.reach["aw"].hi]))


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_what_a_tensor_holds_is_found_block_by_block(fmt, monkeypatch):
    monkeypatch.setattr(ranges, "BLOCK", 7)
    codes = all_codes(fmt) if fmt.bits <= 16 else np.array([fmt.min_code, 3, fmt.max_code]).astype(fmt.dtype)
    rng = np.random.default_rng(0)
    for size in (1, 2, 30):
        some = rng.choice(codes, (size, 1))
        values = fmt.to_int(some)
        assert tensor_interval(QTensor(QType(some.shape, fmt), some)) == (values.min(), values.max())
        if some.dtype == np.uint8:
            assert np.array_equal(ranges.distinct(some), np.unique(some))


@given(dots())
def test_a_bound_is_the_same_block_by_block_and_of_narrow_weights(case):
    weights, reach, start, _, cut, tree = case
    want = dot_bound(weights, reach, start, cut, tree)
    with pytest.MonkeyPatch.context() as m:
        m.setattr(ranges, "BLOCK", 2)
        for dtype in (np.int64, np.int8):
            got = dot_bound(weights.astype(dtype), reach, start, cut, tree)
            assert (got.lo.tolist(), got.hi.tolist()) == (want.lo.tolist(), want.hi.tolist())


def test_narrow_weights_do_not_overflow():
    weights = np.full((70_000, 2), -128, np.int8)
    assert dot_bound(weights, Interval(-(1 << 31), 1 << 31), np.zeros(2, np.int64)).interval == (
        -70_000 << 38,
        70_000 << 38,
    )


def test_unsigned_weights_are_no_floats():
    bound = dot_bound(np.array([[(1 << 53) + 1]], np.uint64), Interval(-1, 3), np.zeros(1, np.int64))
    assert bound.interval == (-(1 << 53) - 1, 3 * ((1 << 53) + 1))
