"""What the tests of layer norm and RMS norm share: graphs, rows of every kind, the oracle of the same settings."""

import numpy as np

from hwsim import INT8, INT16, Graph, QType
from tests.backends import check_engines
from tests.oracles.blocks import NormOracle

OUT = QType((), INT8, 2.0**-5, 3)


def graph(block, fmt=INT16, n=16, scale=2.0**-8, zero=0, out=OUT, **settings):
    """A norm of x (N, n)."""
    g = Graph("norm")
    g.output(block(g, g.input("x", QType(("N", n), fmt, scale, zero)), out, name="y", **settings))
    return g


def rows(fmt, n, zero=0, count=12, seed=0):
    """Codes: normal numbers of several widths, one channel 200 times as large, constant rows, both ends."""
    rng, top = np.random.default_rng(seed), fmt.max_int
    x = rng.normal(zero, 1, (count, n)) * np.linspace(2, top / 4, count)[:, None]
    x[count // 2 :, n // 2] *= 200
    x[0], x[1], x[2] = zero, top, fmt.min_int
    x[3] = np.where(np.arange(n) % 2, fmt.min_int, top)
    x[4] = np.where(np.arange(n) > 0, fmt.min_int, top)
    x[5] = np.where(np.arange(n) == 0, fmt.min_int, top)
    return np.clip(np.rint(x), fmt.min_int, top).astype(fmt.dtype)


def check(block, x, *against, mean=True, fmt=INT16, scale=2.0**-8, zero=0, out=OUT, **settings):
    """Equal to Python's integers on numpy, numba and the named engines; the graph."""
    plain = {k: getattr(v, "tolist", lambda v=v: v)() for k, v in settings.items()}
    if "contract" in plain:
        plain["contract"] = plain["contract"].name
    want = NormOracle(
        lsb=scale, out_scale=out.scale, reach=(fmt.min_int, fmt.max_int), zero=zero, out_zero=out.zero_point,
        out_reach=(out.fmt.min_int, out.fmt.max_int), mean=mean, width=block.width, mantissa=block.mantissa, **plain,
    )  # fmt: skip
    g = graph(block, fmt, x.shape[-1], scale, zero, out, **settings)
    check_engines(g, {"x": x}, {"y": np.array([want(row) for row in x.tolist()])}, against=("numba", *against))
    return g
