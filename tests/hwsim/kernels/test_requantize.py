import numpy as np
import pytest

from hwsim import INT4, INT8, INT16, INT32, UINT8, UINT16, Dyadic16, Graph, QType
from hwsim.contracts import CONTRACTS, OnnxFloat, Pow2, TflSingle
from hwsim.formats import INT64, IntFormat
from hwsim.ops import Requant
from hwsim.rounding import ROUNDINGS
from tests.hwsim.kernels.both import WIDTHS, alone, check, given

FORMATS = (INT8, UINT8, INT4, INT16, UINT16, INT32, IntFormat("uint12", 12, signed=False))


def requants(g, x):
    """One of every contract and rounding, results in all containers."""
    made = 0
    for contract in CONTRACTS:
        for rounding in ROUNDINGS:
            fmt = FORMATS[made % len(FORMATS)]
            scale = 1024.0 if contract is Pow2 else 700.3
            out = QType((), fmt, scale, made % 3)
            try:
                op = Requant.to(out, x.type, contract, rounding)
                g.output(g.add(op, x))
            except ValueError:  # a rounding that this contract has not
                continue
            made += 1
    return made


def numbers(fmt, *shape):
    """Ends, ties, small and large ones."""
    rng = np.random.default_rng(3)
    x = rng.integers(fmt.min_int, fmt.max_int, shape, endpoint=True) >> rng.integers(0, fmt.bits, shape)
    ties = rng.integers(-20, 20, shape) * 512
    x = np.where(rng.random(shape) < 0.3, ties, x).reshape(-1)
    x[:4] = fmt.min_int, fmt.max_int, fmt.min_int + 1, fmt.max_int - 1
    return np.clip(x, fmt.min_int, fmt.max_int).reshape(shape).astype(fmt.dtype)


@pytest.mark.parametrize("width", WIDTHS)
def test_every_contract_and_rounding(width):
    g = Graph()
    assert requants(g, given(g, "x", INT32, 5, width)) >= 15
    check(g, {"x": numbers(INT32, 3, 5, width)})


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_constants_a_channel(width):
    g, scale = Graph(), tuple(2.0 ** -(c % 5) for c in range(width))
    assert requants(g, given(g, "x", INT32, 5, width, scale=scale)) >= 15
    check(g, {"x": numbers(INT32, 3, 5, width)})


@pytest.mark.parametrize("zero", [-32768, -1, 32767])
def test_zero_points_of_16_bits(zero):
    g = Graph()
    requants(g, given(g, "x", INT16, 3, 17, zero=zero))
    check(g, {"x": numbers(INT16, 3, 3, 17)})


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT16, UINT16, INT32])
def test_chains_pass_through_every_container(fmt):
    g = Graph()
    x = given(g, "x", INT16, 3, 16)
    y = g.add(Requant.to(QType((), fmt, 300.1, 1), x.type, Dyadic16), x)
    g.output(y, g.add(Requant.to(QType((), INT8, 411.0, -3), y.type, Dyadic16), y))
    check(g)


def test_clamps_stay():
    g = Graph()
    x = given(g, "x", INT32, 17)
    for lo, hi in ((0, 6), (-5, -5), (3, None)):
        g.output(g.add(Requant.to(QType((), INT8, 1e6, 2), x.type, Dyadic16, "half_up", lo), x))
        op = Requant(contract=Dyadic16.of(1e-6), fmt=INT64, scale=1e6, zero_point=2, lo=lo, hi=hi or 90)
        g.output(g.add(op, x))
    check(g, {"x": numbers(INT32, 3, 17)})


def test_multipliers_of_40_bits_run_on_their_own():
    g = Graph()
    x = given(g, "x", INT16, 17)
    op = Requant(contract=TflSingle(multiplier=((1 << 39) + 1,), shift=(-8,)), fmt=INT16, scale=1.0)
    g.output(g.add(op, x))
    assert alone(g) == ["requant"]
    check(g, on_machine=False)


def test_origins_of_onnx():
    g = Graph()
    x = given(g, "x", INT32, 17)
    for origin in (-128, 7, 1 << 16):
        contract = OnnxFloat(scale=(float(np.float32(1e-7)),), origin=origin)
        g.output(g.add(Requant(contract=contract, fmt=UINT8, scale=1 / float(np.float32(1e-7)), zero_point=9), x))
    check(g, {"x": numbers(INT32, 3, 17)})


def test_results_without_a_register_type_run_on_their_own():
    g = Graph()
    x = given(g, "x", INT16, 17)
    g.output(g.add(Requant.to(QType((), IntFormat("uint20", 20, signed=False), 0.1), x.type, Dyadic16), x))
    assert alone(g) == ["requant"]
    check(g, on_machine=False)
