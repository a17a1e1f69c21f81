import numpy as np

from hwsim import FP4_E2M1, INT8, INT16, UINT1, UINT8, QType
from hwsim.ops import Select
from tests.compare import all_codes, assert_same
from tests.oracles.one_op import codes, refuses, run, t, tensor


def test_every_condition_code():
    c = all_codes(UINT8)
    a, b = np.arange(-128, 128), np.full(256, 5)
    want = [int(x) if int(m) else int(y) for m, x, y in zip(c, a, b, strict=True)]
    assert_same(want, codes(Select(), tensor(c, UINT8), tensor(a), tensor(b)), c)


def test_any_format_keeps_its_codes_and_type():
    a = tensor(np.arange(16), FP4_E2M1, 0.5)
    b = tensor(np.arange(15, -1, -1), FP4_E2M1, 0.5)
    c = np.arange(16) % 2
    y = run(Select(), tensor(c, UINT1), a, b)
    assert y.type == a.type
    assert_same([i if i % 2 else 15 - i for i in range(16)], y.codes)


def test_shapes_broadcast():
    c, a, b = np.array([[1], [0]]), np.array([1, 2, 3]), np.array(9)
    assert_same([[1, 2, 3], [9, 9, 9]], codes(Select(), tensor(c, UINT1), tensor(a), tensor(b)))
    types = (t(3, fmt=UINT1), t("N", 3, scale=0.5, zero=4), t(3, scale=0.5, zero=4))
    assert Select().out_type(*types) == QType(("N", 3), INT8, 0.5, 4)


def test_refusals():
    mask = t(3, fmt=UINT1)
    refuses(Select(), (t(3), t(3), t(3)), "int8")
    refuses(Select(), (t(3, fmt=FP4_E2M1), t(3), t(3)), "fp4_e2m1")
    refuses(Select(), (mask, t(3, scale=0.5), t(3)), "0.5", "1.0")
    refuses(Select(), (mask, t(3, zero=1), t(3)), "zero_point 1")
    refuses(Select(), (mask, t(3, fmt=INT16), t(3)), "int16", "int8")
    refuses(Select(), (mask, t(4), t(3)), "(4,)")
    refuses(Select(), (mask, t(3, scale=(1.0,) * 3, axis=0), t(3)), "per-channel")
