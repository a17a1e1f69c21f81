"""Every table on every code and engine: numpy, numba, C, ONNX Runtime, onnx's ReferenceEvaluator, and torch.

The tables of one format share a graph, so that C is compiled once. Expectations are the formula in float64, where
every number here is exact.
"""

import importlib.util

import numpy as np
import pytest

from algos.gqa_lut import FUNCTIONS, fit
from hwsim import INT8, INT16, Graph, QType
from tests.backends import check_engines
from tests.compare import all_codes, assert_same

OUT = QType((), INT8, 2.0**-5, 3)
WIDE = {"scales": (11, 13), "bits": 12}  # INT16: steps whose range covers the spans, and one that is finer


def tables(fmt):
    """Name, exponent and fit of each table."""
    for name, function in FUNCTIONS.items():
        for entries in (8, 16):
            settings = {} if fmt == INT8 else {**WIDE, "fraction": function.fraction + 4}
            if fmt == INT16 and entries == 16:
                settings["method"] = "uniform"  # ours takes half a second each
            got = fit(name, entries, fmt=fmt, **settings)
            for n in got.task.scales:
                yield f"{name}_{entries}_{n}", n, got


def expected(got, n, q):
    """Slope times code plus intercept, in units of the exact result: the last segment that begins at or before q."""
    p, k, b = (np.array(part, np.float64) for part in got.stored[n])
    segment = (q[:, None] >= p).sum(axis=1)
    return k[segment] * q + b[segment] * 2.0**n


def rounded(y, scale):
    """Codes of `OUT`: half up, then the zero point, then the limits."""
    codes = np.floor(y * scale / OUT.scale + 0.5) + OUT.zero_point
    return np.clip(codes, INT8.min_int, INT8.max_int).astype(np.int8)


@pytest.mark.parametrize("fmt", [INT8, INT16], ids=lambda f: f.name)
def test_every_table_everywhere(fmt):
    q, graph, want, past = all_codes(fmt), Graph("tables"), {}, 0
    for name, n, got in tables(fmt):
        source = QType(("N",), fmt, 2.0**-n)
        x = next((v for v in graph.inputs if v.type == source), None) or graph.input(f"x{n}", source)
        exact = got.table(n)
        y = expected(got, n, q.astype(np.float64))
        want[name], want[f"{name}_rounded"] = y.astype(np.int32), rounded(y, exact.scale)
        graph.output(graph.add(exact, x, name=name), graph.add(got.table(n, OUT), x, name=f"{name}_rounded"))
        past += exact.breakpoints[-1] > fmt.max_int
        check_torch(got, n, q, exact.scale, want[name], want[f"{name}_rounded"])
    assert len(want) == (376 if fmt == INT8 else 128)
    assert past, "a breakpoint past the last code is normal and must be among them"
    check_engines(graph, {v.name: q for v in graph.inputs}, want)


def check_torch(got, n, q, scale, exact, codes):
    """The torch module, where there is torch."""
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    from algos.gqa_lut import TableModule

    x = torch.from_numpy(np.ldexp(q.astype(np.float64), -n))
    what = f"{got.task.function.name} at 2**-{n} in torch"
    assert_same(exact * scale, TableModule(got, n)(x).numpy(), q, what=what)
    reals = (codes.astype(np.float64) - OUT.zero_point) * OUT.scale
    assert_same(reals, TableModule(got, n, out=OUT)(x).numpy(), q, what=what)
