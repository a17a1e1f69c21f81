"""Tables on every engine, baselines, the published JSON form, and what is refused."""

import json

import numpy as np
import pytest

from algos.gqa_lut import FUNCTIONS, METHODS, Function, Task, disagreements, fit, from_json, to_json
from hwsim import FP4_E2M1, INT8, INT16, UINT8, Graph, QType
from tests.backends import check_engines
from tests.compare import all_codes, assert_refused, assert_same


def python_table(got, n, q):
    """The definition in reals, one code at a time: exact in float64."""
    breakpoints, slopes, intercepts = got.stored[n]
    i = sum(1 for p in breakpoints if p <= q)
    return (slopes[i] * (q * 2.0**-n) + intercepts[i]) / got.task.one


def graph_of(got, n, fmt, out=None):
    g = Graph("table")
    x = g.input("x", QType(("N", 1), fmt, 2.0**-n))
    g.output(g.add(got.table(n, out), x, name="y"))
    return g


@pytest.mark.parametrize("name", ["gelu", "exp", "reciprocal", "tanh"])
def test_every_code_on_every_engine(name):
    got = fit(name, 8)
    q = all_codes(INT8)[:, None]
    for n in (got.task.scales[0], got.task.scales[-1]):
        table = got.table(n)
        want = np.array([[python_table(got, n, int(v)) / table.scale] for v in q[:, 0]])
        assert_same(want, want.astype(np.int32))
        check_engines(graph_of(got, n, INT8), {"x": q}, {"y": want.astype(np.int32)})
        out = QType((), INT8, 2.0**-5, 3)
        rounded = np.clip(np.floor(want * table.scale * 32 + 0.5) + 3, -128, 127).astype(np.int8)
        check_engines(graph_of(got, n, INT8, out), {"x": q}, {"y": rounded})


def test_every_int16_code_on_numba_and_c():
    got = fit("gelu", 16, fmt=INT16, scales=(12,))
    q = all_codes(INT16)[:, None]
    table = got.table(12)
    want = np.array([[python_table(got, 12, int(v)) / table.scale] for v in q[:, 0]]).astype(np.int32)
    check_engines(graph_of(got, 12, INT16), {"x": q}, {"y": want}, against=("numba", "c", "ort"))


def test_an_output_finer_than_the_table():
    got = fit("gelu", scales=(0,), fraction=3, bits=6)
    fine = got.table(0, QType((), INT16, 2.0**-8))
    assert fine.shift == 0
    x = all_codes(INT8)
    source = QType((), INT8, 1.0)
    exact = got.table(0).run((source,), x) * 2.0**-3
    assert_same(np.clip(exact * 256, -32768, 32767).astype(np.int16), fine.run((source,), x), x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["gelu", "rsqrt"])
def test_ours_is_best(name, method):
    if method == "paper":
        pytest.importorskip("deap")
    got, ours = fit(name, 8, method=method), fit(name, 8)
    assert ours.mse <= got.mse
    assert got.mse < 5e-3
    assert got.stored == fit(name, 8, method=method).stored
    assert "mse" in str(got)
    assert got.max_error == max(r.max_error for r in got.rows)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_table(name):
    got = fit(name, 16)
    assert 0 < got.bound <= got.mse * (1 + 1e-9)
    assert got.mse < 1e-4
    spread = [fit(name, 16, seed=s).mse for s in (1, 2)]
    assert max(spread) <= 1.05 * min(*spread, got.mse)


def test_more_entries_are_never_worse():
    errors = [fit("mish", n).mse for n in (2, 4, 8, 16, 32)]
    assert errors == sorted(errors, reverse=True)
    assert fit("mish", 64).mse <= errors[-1] * (1 + 1e-9)


def test_mutations_find_the_way_from_a_poor_start(monkeypatch):
    from algos.gqa_lut import search

    best, task = fit("gelu", 8), Task.of("gelu", 8)
    poor = [(np.arange(8) * 8, np.zeros(8, np.int64))]
    monkeypatch.setattr(search, "seeds", lambda task: poor)
    errors = []
    for trials in (0, 100, 1000):
        stored = search.Search(trials=trials, seed=1)(task)
        errors.append(type(best)(task=task, method="ours", seed=1, stored=stored).mse)
    assert errors[0] > errors[1] >= errors[2]
    assert errors[2] <= 1.05 * best.mse


def test_json_round_trip():
    got = fit("hswish", 8, scales=(2, 4))
    again = from_json(json.loads(json.dumps(to_json(got))))
    assert (again.stored, again.mse, again.task) == (got.stored, got.mse, got.task)
    own = fit(np.cbrt, 8, span=(1, 2), scales=(6,))
    back = from_json(to_json(own), fn=np.cbrt, span=(1, 2))
    assert back.stored == own.stored


def test_ties_where_the_published_readings_disagree():
    got = fit("gelu", 4, scales=(1, 3), fraction=4, bits=8)
    for n, codes in disagreements(got).items():
        p, k, b = got.stored[n]
        want = []
        for q in range(-128, 128):
            left, right = sum(v < q for v in p), sum(v <= q for v in p)
            if k[left] * q + b[left] * 2**n != k[right] * q + b[right] * 2**n:
                want.append(q)
        assert codes.tolist() == want
        assert set(want) <= set(p)
    assert any(codes.size for codes in disagreements(got).values())


def test_a_callable_of_the_user():
    got = fit(lambda x: x * x, 4, span=(-1, 1), scales=(6,))
    assert got.gap == 0
    assert got.task.function.name == "<lambda>"
    mine = Function(name="square", fn=np.square, span=(-1, 1), tails=((0, 1), (0, 1)), scales=(6,))
    assert fit(mine, 4).rows[0].mse >= got.rows[0].mse
    assert fit("reciprocal", 8, fmt=UINT8, scales=(6,)).rows[0].codes == 224


REFUSED = {
    "name": (lambda: fit("gelo"), "'gelo'", "gelu"),
    "span": (lambda: fit(np.sin), "span"),
    "span order": (lambda: fit("gelu", span=(3, -3)), "(3, -3)"),
    "entries": (lambda: fit("gelu", 1), "entries 1", "2..64"),
    "many": (lambda: fit("gelu", 65), "65"),
    "bits": (lambda: fit("gelu", bits=17), "bits 17"),
    "fraction": (lambda: fit("gelu", fraction=-1), "fraction -1"),
    "no scales": (lambda: fit("gelu", scales=()), "scales ()"),
    "twice": (lambda: fit("gelu", scales=(1, 1)), "(1, 1)"),
    "scale": (lambda: fit("gelu", scales=(15,)), "15", "0..14"),
    "empty": (lambda: fit("reciprocal", scales=(9,)), "int8", "2**-9"),
    "infinite": (lambda: fit("log", span=(0, 1), scales=(3,)), "log", "0.0"),
    "format": (lambda: fit("gelu", fmt=FP4_E2M1), "fp4_e2m1"),
    "method": (lambda: fit("gelu", method="best"), "'best'", "paper"),
    "a table a scale": (lambda: fit("gelu", method="uniform", shared=False), "uniform", "'ours'"),
    "missing scale": (lambda: fit("exp", scales=(3,)).table(4), "no scale 2**-4", "3"),
    "result": (lambda: fit("exp", scales=(3,)).table(3, QType((), INT8, 0.3)), "0.3", "power of two"),
    "room": (lambda: fit("gelu", method="uniform", fraction=7, bits=8), "bits=9"),
    "json": (lambda: from_json({}), "function"),
    "json name": (lambda: from_json({"gelo": {"0": {"slopes": [1, 2]}}}), "'gelo'"),
    "json scale": (lambda: from_json({"gelu": {"x": {"slopes": [1, 2]}}}), "scale 'x'"),
    "json table": (lambda: from_json({"gelu": {"2": {"slopes": [1, 1]}}}), "scale 2", "1 breakpoints"),
    "json step": (lambda: from_json(document(breakpoints=[0.3])), "0.3", "2**-1"),
    "json unit": (lambda: from_json(document(slopes=[0, 0.3])), "0.3", "8 bits"),
    "json nan": (lambda: from_json(document(intercepts=[0, float("nan")])), "nan"),
    "json reach": (lambda: from_json(document(intercepts=[0, 2])), "intercepts", "2"),
    "json text": (lambda: from_json(document(intercepts=["a", 2])), "intercepts"),
}


def document(**columns):
    table = {"breakpoints": [0.5], "slopes": [0, 1], "intercepts": [0, 0], **columns}
    return {"gelu": {"1": table}}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    assert_refused(*REFUSED[case])


def test_settings_of_a_task():
    task = Task.of("gelu")
    assert (task.scales, task.bits, task.fraction, task.reach, task.one) == (tuple(range(7)), 8, 6, 128, 64)
    assert task.tails == ((0, 0), (64, 0))
    assert task.alone(5).tails == task.alone(6).tails == (None, None)
    assert Task.of("gelu", bits=7).tails == ((0, 0), None)
