"""Torch computes the integer graph a second time: every op, every contract, every rounding, code for code."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: the torch engine (pip install 'hwsim[algos]')")

from algos import torch_engine  # noqa: E402
from hwsim.blocks import Attention, LayerNorm, RMSNorm  # noqa: E402
from hwsim.contracts import CONTRACTS, Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle  # noqa: E402
from hwsim.formats import E8M0, FP4_E2M1, FP6_E2M3, FP8_E4M3, INT8, INT16, INT48, INT64, UINT1, UINT8, IntFormat  # noqa: E402
from hwsim.graph import Graph  # noqa: E402
from hwsim.ops import OPS, Datapath, Float32Sum  # noqa: E402
from hwsim.qtensor import QTensor, QType  # noqa: E402
from hwsim.qtensor import encode as encode_reference  # noqa: E402
from hwsim.rounding import ROUNDINGS, shift_right  # noqa: E402
from hwsim.simulation import simulate  # noqa: E402
from tests.oracles.block_products import case  # noqa: E402
from tests.random_graphs import random_graph  # noqa: E402

SEEDS = range(120)
PATHS = (
    Datapath(overflow="saturate", drop=1, tree=2, signs="magnitude"),
    Datapath(overflow="wrap", drop=2),
    Datapath(drop=3),
    Float32Sum(),
)


def check_codes(graph, inputs):
    """Every value of a graph on both."""
    want = simulate(graph, inputs, engine="numpy", trace=True)
    codes = {name: torch.from_numpy(x.astype(np.int64)) for name, x in inputs.items()}
    got = torch_engine.run(graph, codes, trace=True)
    for v in graph.results(trace=True):
        np.testing.assert_array_equal(got[v.name].numpy(), want[v.name], err_msg=v.name)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_graphs(seed):
    check_codes(*random_graph(seed))


def test_the_random_graphs_hold_every_op():
    assert {node.op.name for seed in SEEDS for node in random_graph(seed)[0].nodes} == {op.name for op in OPS}
    assert set(torch_engine.RUN) == set(OPS)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda c: c.name)
def test_blocks(contract):
    """Attention with a mask, layer norm and RMS norm, every value."""
    g, rng = Graph("blocks"), np.random.default_rng(0)
    q, k = (g.input(n, QType(("N", 2, 6, 8), INT16, 2.0**-11)) for n in "qk")
    v = g.input("v", QType(("N", 2, 6, 8), INT8, 2.0**-5, 3))
    mask = g.constant("mask", QTensor(QType((1, 6, 6), UINT1), np.tril(np.ones((1, 6, 6), np.uint8))))
    out, weight = QType((), INT8, 2.0**-5), rng.normal(size=8)
    y = Attention()(g, q, k, v, out, mask=mask, contract=contract)
    a = LayerNorm()(g, q, out, weight=weight, bias=weight, contract=contract, rounding="half_even")
    b = RMSNorm(width=12)(g, v, out, weight=weight, contract=contract)
    g.output(y, a, b)
    check_codes(g, {x.name: rng.integers(x.type.fmt.min_int, x.type.fmt.max_int, (5, 2, 6, 8)) for x in g.inputs})


@pytest.mark.parametrize("path", PATHS, ids=str)
@pytest.mark.parametrize("scale", [E8M0, FP8_E4M3], ids=lambda f: f.name)
def test_accumulators_of_blocks(path, scale):
    """Narrow sums of 12 bits, and float32 with subnormal contributions and integers of more than 24 bits."""
    floats = path == Float32Sum()
    more = {"spread": 80, "max_exp": 40} if floats and scale == E8M0 else {"max_exp": 8 * (scale == E8M0)}
    more["lsb_exp"] = (6 if scale == FP8_E4M3 else -2) if floats else 22 if scale == FP8_E4M3 else 2
    acc = INT48 if floats else IntFormat("int12", 12) if path.overflow != "refuse" else INT64
    elements = (INT8, INT8) if floats else (FP6_E2M3, FP4_E2M1)
    p = case(1, *elements, scale, scale, acc=acc, datapath=path, inputs=(0, 3), shape=(4, 70, 4), **more)
    graph, given = p.build()
    check_codes(graph, given)
    want = simulate(graph, given, engine="numpy")["y"]
    assert len(np.unique(want)) > 3


@pytest.mark.parametrize("right", [E8M0, FP8_E4M3], ids=lambda f: f.name)
@pytest.mark.parametrize("left", [E8M0, FP8_E4M3, None], ids=lambda f: f.name if f else "none")
def test_block_scales(left, right):
    """Scales on both sides, exponents past both ends, a short last block."""
    shifts = {"lsb_exp": 9, "max_exp": 14 if E8M0 in (left, right) else 0, "spread": 60, "acc": INT64}
    check_codes(*case(0, FP4_E2M1, FP6_E2M3, right, left, inputs=(0, 2, 3)[: 2 + (left is not None)], **shifts).build())


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_roundings(rounding):
    rng = np.random.default_rng(0)
    x = np.concatenate([np.arange(-300, 300), rng.integers(-(1 << 61), 1 << 61, 500)])
    for bits in (0, 1, 2, 5, 40, 62):
        got = torch_engine.divide(torch.from_numpy(x), torch.tensor(bits), rounding)
        np.testing.assert_array_equal(got.numpy(), shift_right(x, bits, rounding), err_msg=str(bits))


def test_unknown_rounding():
    with pytest.raises(ValueError, match="rounding 'up' is unknown"):
        torch_engine.divide(torch.tensor(1), torch.tensor(1), "up")


@pytest.mark.parametrize(
    "contract",
    [
        Dyadic16(multiplier=(40000, 65535, 32768), shift=(20, 16, 62)),
        Dyadic16(multiplier=(40000,), shift=(0,), rounding="half_even"),
        Pow2(shift=(3, 0, -4), rounding="half_away"),
        TflSingle(multiplier=(1 << 30, (1 << 31) - 1, 0), shift=(-7, 0, 0)),
        TflSingle(multiplier=(1 << 30,), shift=(-7,), rounding="half_up"),
        TflmDouble(multiplier=(1 << 30, (1 << 31) - 1, 1518500250), shift=(-9, 0, 2)),
        OnnxFloat(scale=(0.125, float(np.float32(0.1)), 2.0)),
        OnnxFloat(scale=(0.125, float(np.float32(0.1)), 2.0), origin=-3),
    ],
    ids=lambda c: c.name,
)
def test_contracts(contract):
    rng = np.random.default_rng(1)
    top = min(contract.max_input, 1 << 30)
    x = np.concatenate([np.arange(-400, 401), rng.integers(-top, top, 1024)])
    x = np.repeat(x[: x.size // 3 * 3], 1).reshape(-1, 3)[:, : max(contract.channels, 1)]
    got = torch_engine.rescale(contract, torch.from_numpy(np.ascontiguousarray(x)))
    np.testing.assert_array_equal(got.numpy(), contract.apply(x))


def test_every_contract_is_known():
    x = torch.arange(-9, 9)[:, None]
    for c in CONTRACTS:
        np.testing.assert_array_equal(torch_engine.rescale(c.of(0.5), x).numpy(), c.of(0.5).apply(x.numpy()))
    with pytest.raises(ValueError, match="is unknown to the torch engine"):
        torch_engine.rescale(INT8, torch.zeros(1, dtype=torch.int64))


@pytest.mark.parametrize("t", [QType((), INT8, 0.1, 3), QType((), UINT8, 0.3, 128), QType((), INT16, 2.0**-9)])
def test_encoding_reals(t):
    x = np.concatenate([np.linspace(-60, 60, 2001), (np.arange(-99, 99) + 0.5) * t.scale, [1e30, -1e30]])
    want = encode_reference(x, t.reshaped(x.shape))
    np.testing.assert_array_equal(torch_engine.encode(torch.from_numpy(x), t).numpy(), want)
