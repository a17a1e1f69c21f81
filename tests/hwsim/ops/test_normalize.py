import numpy as np
import pytest

from hwsim import INT8, INT48, INT64, UINT8, UINT16, UINT32, Graph, QType
from hwsim.ops import Normalize
from tests.backends import check_engines
from tests.compare import all_codes, assert_refused, assert_same
from tests.oracles.one_op import overflows, refuses, run_all, t, tensor


def by_python(x: int, bits: int) -> tuple[int, int]:
    """Python's own bit_length and floor division."""
    x = max(int(x), 1)
    exponent = x.bit_length() - 1
    return x * 2 ** (bits - 1) // 2**exponent, exponent


def edges(top: int) -> np.ndarray:
    """Every power of two up to `top`, and its neighbours."""
    near = {1 << k for k in range(top.bit_length())} | {top}
    return np.array(sorted({v + d for v in near for d in (-1, 0, 1) if 0 <= v + d <= top}))


@pytest.mark.parametrize("bits", range(2, 17))
def test_every_uint16(bits):
    x = all_codes(UINT16)
    mantissa, exponent = run_all(Normalize(bits=bits), tensor(x, UINT16))
    want = np.array([by_python(v, bits) for v in x])
    assert_same(want[:, 0], mantissa.codes, x)
    assert_same(want[:, 1], exponent.codes, x)


def test_the_real_number_is_mantissa_times_power():
    x = all_codes(UINT8)[1:]
    mantissa, exponent = run_all(Normalize(bits=9), tensor(x, UINT8, 0.375))
    assert_same(0.375 * x, mantissa.dequantize() * 2.0 ** exponent.dequantize())
    assert Normalize(bits=9).out_type(t("N", 3, fmt=UINT8, scale=0.5)) == (
        QType(("N", 3), UINT16, 2.0**-9),
        QType(("N", 3), UINT8),
    )


def test_what_is_below_one_counts_as_one():
    x = np.array([-128, -1, 0, 1, 2, 3])
    mantissa, exponent = run_all(Normalize(bits=4), tensor(x, INT8))
    assert_same([8, 8, 8, 8, 8, 12], mantissa.codes, x)
    assert_same([0, 0, 0, 0, 1, 1], exponent.codes, x)


@pytest.mark.parametrize(("fmt", "bits"), [(UINT32, 9), (UINT32, 16), (INT48, 9), (INT48, 16), (UINT16, 2)])
def test_edges_of_wide_inputs_on_every_engine(fmt, bits):
    x = edges(fmt.max_int)
    x = np.concatenate([x, np.random.default_rng(0).integers(0, fmt.max_int, 200, endpoint=True)])
    g = Graph("normalize")
    outs = g.add_all(Normalize(bits=bits), g.input("x", QType(("N", 1), fmt)), names=("m", "e"))
    g.output(*outs)
    want = np.array([by_python(v, bits) for v in x])
    given = {"x": x.astype(fmt.dtype)[:, None]}
    check_engines(g, given, {"m": want[:, :1].astype(np.uint16), "e": want[:, 1:].astype(np.uint8)})


def test_refusals():
    assert_refused(lambda: Normalize(bits=1), "1", "2..16")
    assert_refused(lambda: Normalize(bits=17), "17", "2..16")
    refuses(Normalize(), (t(3, zero=5),), "zero_point 5")
    refuses(Normalize(), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
    overflows(Normalize(bits=9), (t(3, fmt=INT64),), str(2**63 - 1), "2**55")
