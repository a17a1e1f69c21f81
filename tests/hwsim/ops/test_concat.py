import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, UINT8, QType
from hwsim.ops import Concat
from tests.oracles.one_op import refuses, run, t, tensor


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_parts_follow_one_another(axis):
    rng = np.random.default_rng(axis)
    parts = []
    for size in (1, 3, 2):
        shape = [2, 2, 2]
        shape[axis] = size
        parts.append(rng.integers(0, 256, shape))
    y = run(Concat(axis=axis), *(tensor(p, UINT8, 0.5, 9) for p in parts))
    assert y.type == QType(tuple(6 if i == axis else 2 for i in range(3)), UINT8, 0.5, 9)
    rows = [row for p in parts for row in np.moveaxis(p, axis, 0).tolist()]
    assert np.moveaxis(y.codes, axis, 0).tolist() == rows


def test_one_part_and_floats():
    x = tensor(np.arange(16), FP4_E2M1)
    assert run(Concat(axis=0), x).codes.tolist() == list(range(16))
    assert run(Concat(axis=0), x, x).codes.tolist() == [*range(16), *range(16)]
    assert Concat(axis=1).out_type(t("N", 2), t("N", 3)).shape == ("N", 5)


def test_refusals():
    refuses(Concat(axis=0), (), "no inputs")
    refuses(Concat(axis=0), (t("N", 2), t("N", 2)), "axis 0", "batch")
    refuses(Concat(axis=2), (t(2, 2), t(2, 2)), "axis 2")
    refuses(Concat(axis=-1), (t(2, 2), t(2, 2)), "axis -1")
    refuses(Concat(axis=1), (t(2, 2), t(3, 2)), "(2, 2)", "(3, 2)")
    refuses(Concat(axis=1), (t("N", 2), t(3, 2)), "('N', 2)", "(3, 2)")
    refuses(Concat(axis=0), (t(2), t(2, fmt=INT16)), "int8", "int16")
    refuses(Concat(axis=0), (t(2), t(2, scale=0.5)), "1.0", "0.5")
    refuses(Concat(axis=0), (t(2), t(2, zero=3)), "zero_point 3")
    refuses(Concat(axis=0), (t(2, fmt=INT8, scale=(1.0, 2.0), axis=0), t(2)), "per-channel")


def test_parts_of_different_rank_are_refused():
    refuses(Concat(axis=1), (t(2, 3), t(2)), "(2, 3)", "(2,)")
