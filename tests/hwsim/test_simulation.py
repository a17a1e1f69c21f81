import numpy as np
import pytest

from hwsim import (
    FP4_E2M1,
    FP8_E4M3,
    FP8_E5M2,
    INT4,
    INT8,
    INT16,
    INT32,
    INT64,
    UINT8,
    Dyadic16,
    Graph,
    QTensor,
    QType,
    quantize,
    simulate,
)
from hwsim.ops import Add, Lut, Requant, Reshape
from hwsim.simulation import ENGINES
from tests.compare import all_codes, assert_one_line, assert_refused, assert_same
from tests.random_graphs import random_graph

both_engines = pytest.mark.parametrize("engine", ENGINES)


def doubled(t, fmt=INT32):
    """x of type t, y = x + x."""
    g = Graph("doubled")
    x = g.input("x", t)
    g.output(g.add(Add(fmt=fmt), x, x, name="y"))
    return g


T = QType(("N", 3), INT8, 0.5, 1)


@both_engines
@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_integers_are_codes(engine, dtype):
    x = np.array([[-128, 0, 127], [1, 2, 3]], dtype)
    got = simulate(doubled(T), {"x": x}, engine=engine)
    assert got["y"].dtype == np.int32
    assert_same(2 * x.astype(np.int64), got["y"], x)


@both_engines
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_reals(engine, dtype):
    x = np.array([[-1000, -0.25, 0.25], [0.75, 1.25, 1000]], dtype)
    got = simulate(doubled(T), {"x": x}, engine=engine, trace=True)
    assert_same([[-128, 1, 1], [3, 3, 127]], got["x"], x)  # halves go to the even code, then the zero point is added
    want = quantize(x, INT8, scale=0.5, zero_point=1)
    assert_same(want.codes, got["x"], x)


def test_whole_floats_are_reals_too():
    assert_same([[3, 5, 7]], simulate(doubled(T), {"x": np.array([[1.0, 2.0, 3.0]])}, trace=True)["x"])
    assert_same([[1, 2, 3]], simulate(doubled(T), {"x": np.array([[1, 2, 3]])}, trace=True)["x"])


@pytest.mark.parametrize("fmt", [FP4_E2M1, FP8_E4M3, FP8_E5M2])
@both_engines
def test_float_formats_take_codes_and_reals(engine, fmt):
    codes = all_codes(fmt)
    g = Graph()
    g.output(g.add(Reshape(shape=()), g.input("x", QType(("N", 1), fmt, 0.5)), name="y"))
    assert_same(codes, simulate(g, {"x": codes[:, None]}, engine=engine)["y"])
    reals = QTensor(QType(codes.shape, fmt, 0.5), codes).dequantize()
    got = simulate(g, {"x": reals[:, None]}, engine=engine)["y"]
    assert_same(fmt.to_int(codes), fmt.to_int(got), codes)


BAD = {
    "missing": ({}, "[]", "['x']"),
    "extra": ({"x": np.zeros((1, 3), int), "z": 1}, "'z'", "['x']"),
    "other": ({"z": np.zeros((1, 3), int)}, "['z']", "['x']"),
    "no batch": ({"x": np.zeros(3, int)}, "'x'", "(3,)", "('N', 3)"),
    "width": ({"x": np.zeros((2, 4), int)}, "(2, 4)"),
    "rank": ({"x": np.zeros((2, 3, 1), int)}, "(2, 3, 1)"),
    "scalar": ({"x": np.int8(1)}, "()"),
    "empty": ({"x": np.zeros((0, 3), int)}, "'x'", "0", ">= 1"),
    "bool": ({"x": np.zeros((1, 3), bool)}, "'x'", "bool"),
    "complex": ({"x": np.zeros((1, 3), complex)}, "complex"),
    "text": ({"x": np.full((1, 3), "a")}, "'x'", "<U1"),
    "object": ({"x": np.full((1, 3), None)}, "object"),
    "over": ({"x": np.array([[0, 128, 300]])}, "'x'", "128", "(0, 1)", "int8", "2 such"),
    "under": ({"x": np.array([[0, 0, -129]])}, "-129", "(0, 2)"),
    "unsigned": ({"x": np.array([[0, 0, 2**64 - 1]], np.uint64)}, str(2**64 - 1)),
    "nan": ({"x": np.array([[0, np.nan, 0]])}, "'x'", "nan", "(0, 1)"),
    "inf": ({"x": np.array([[0, 0, -np.inf]], np.float32)}, "-inf", "(0, 2)"),
}


@pytest.mark.parametrize("name", BAD)
@both_engines
def test_bad_inputs_are_refused_in_one_line(engine, name):
    data, *culprits = BAD[name]
    assert_refused(lambda: simulate(doubled(T), data, engine=engine), *culprits)


@pytest.mark.parametrize(("fmt", "codes"), [(FP8_E4M3, (0x7F, 0xFF)), (FP8_E5M2, (0x7C, 0x7D, 0x7F, 0xFC, 0xFF))])
def test_reserved_float_codes_are_refused(fmt, codes):
    for code in codes:
        with pytest.raises(ValueError, match=f"{code} at index") as e:
            simulate(doubled(QType(("N",), fmt), INT64), {"x": np.array([0, code])})
        assert_one_line(e.value, "'x'", fmt.name, "(1,)")


def test_samples_are_as_many_for_every_input():
    g = Graph()
    a, b = g.input("a", QType(("N", 2), INT8)), g.input("b", QType(("N", 2), INT8))
    g.output(g.add(Add(), a, b))
    with pytest.raises(ValueError, match="samples") as e:
        simulate(g, {"a": np.zeros((2, 2), int), "b": np.zeros((1, 2), int)})  # numpy alone would broadcast
    assert_one_line(e.value, "'a': 2", "'b': 1")
    with pytest.raises(ValueError, match="engine 'jax' is unknown: use one of numpy, numba"):
        simulate(g, {}, engine="jax")


@both_engines
def test_each_sample_is_computed_alone(engine):
    for seed in range(10):
        g, inputs = random_graph(seed)
        whole = simulate(g, inputs, engine=engine)
        for i in range(5):
            one = simulate(g, {k: x[i : i + 1] for k, x in inputs.items()}, engine=engine)
            for name, y in one.items():
                assert_same(whole[name][i : i + 1], y, what=f"seed {seed} sample {i} {name}")


@pytest.mark.parametrize("seed", range(60))
def test_engines_agree_on_random_graphs(seed):
    g, inputs = random_graph(seed, nodes=12)
    slow, fast = (simulate(g, inputs, engine=e, trace=True) for e in ENGINES)
    assert set(slow) == set(fast) == {v.name for v in g.values()}
    for v in g.values():
        assert slow[v.name].dtype == fast[v.name].dtype == v.type.fmt.dtype
        assert slow[v.name].shape == (5, *v.type.sample_shape)
        assert_same(slow[v.name], fast[v.name], what=f"seed {seed} {v.name}")


@both_engines
def test_graphs_without_batch_and_without_axes(engine):
    g = Graph()
    x = g.input("x", QType((), INT16))
    c = g.constant("c", QTensor(QType((), INT8), np.asarray(5, np.int8)))
    y = g.add(Add(), x, c, name="y")
    g.output(g.add(Requant(contract=Dyadic16.of(0.5), fmt=INT8, scale=2.0), y, name="z"), c, x)
    got = simulate(g, {"x": np.array(9)}, engine=engine)
    assert {k: (v.shape, v.item()) for k, v in got.items()} == {"x": ((), 9), "c": ((), 5), "z": ((), 7)}


@both_engines
def test_inputs_and_constants_are_left_alone_and_results_are_fresh(engine):
    g = Graph()
    x = g.input("x", QType(("N", 2), INT8))
    c = g.constant("c", QTensor(QType((2,), INT4), np.array([1, 2], np.int8)))
    y = g.add(Reshape(shape=(2, 1)), x, name="y")
    g.output(x, y, g.add(Add(), x, c))
    data = np.array([[3, 4]], np.int8)
    first = simulate(g, {"x": data}, engine=engine)
    for v in first.values():
        v += 1
    assert_same([[3, 4]], data)
    again = simulate(g, {"x": data}, engine=engine)
    assert_same([[4, 6]], again["add_1"])
    assert_same([[[3], [4]]], again["y"])


@both_engines
def test_writing_into_a_result_does_not_change_the_graph(engine):
    g = Graph()
    g.output(g.constant("c", QTensor(QType((2,), INT8), np.array([1, 2], np.int8))))
    simulate(g, {}, engine=engine)["c"][:] = 9
    assert_same([1, 2], simulate(g, {}, engine=engine)["c"])


@both_engines
def test_trace_keeps_every_value_and_release_the_outputs(engine):
    g = Graph()
    x = g.input("x", QType(("N", 1), UINT8))
    y = g.add(Lut(table=tuple(range(-128, 128))), x, name="y")
    g.output(g.add(Add(), y, y, name="z"))
    data = np.arange(256)[:, None]
    assert set(simulate(g, {"x": data}, engine=engine)) == {"z"}
    traced = simulate(g, {"x": data}, engine=engine, trace=True)
    assert set(traced) == {"x", "y", "z"}
    assert_same(data - 128, traced["y"], data)
    assert_same(2 * data - 256, traced["z"], data)
