from itertools import permutations, product

import numpy as np
import pytest

from hwsim import INT8, UINT8, QType
from hwsim.ops import Transpose
from tests.oracles.one_op import refuses, run, t, tensor


@pytest.mark.parametrize("perm", list(permutations(range(3))))
def test_every_element_finds_its_place(perm):
    x = np.arange(24).reshape(2, 3, 4)
    y = run(Transpose(perm=perm), tensor(x, UINT8, 0.5, 3))
    assert y.type == QType(tuple(x.shape[p] for p in perm), UINT8, 0.5, 3)
    for at in product(*map(range, x.shape)):
        assert y.codes[tuple(at[p] for p in perm)] == x[at]


def test_the_batch_stays_first():
    assert Transpose(perm=(0, 2, 1)).out_type(t("N", 2, 3)) == QType(("N", 3, 2), INT8)


def test_refusals():
    refuses(Transpose(perm=(1, 0)), (t("N", 3),), "(1, 0)", "batch")
    refuses(Transpose(perm=(0, 0)), (t(2, 3),), "(0, 0)", "(2, 3)")
    refuses(Transpose(perm=(0,)), (t(2, 3),), "(0,)")
    refuses(Transpose(perm=(0, -1)), (t(2, 3),), "(0, -1)")
    refuses(Transpose(perm=(1, 0)), (t(2, 3, scale=(1.0, 2.0), axis=0),), "per-channel")
