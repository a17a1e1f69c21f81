import numpy as np
import pytest

from hwsim import FP4_E2M1, UINT8
from hwsim.ops import Concat, Split
from tests.compare import assert_same
from tests.oracles.one_op import refuses, run, run_all, t, tensor


@pytest.mark.parametrize(("axis", "sizes"), [(0, (1, 1)), (1, (2, 1, 3)), (1, (6,)), (2, (3, 1))])
def test_parts_in_order(axis, sizes):
    x = np.random.default_rng(0).integers(0, 256, (2, 6, 4))
    source = tensor(x, UINT8, 0.5, 9)
    parts = run_all(Split(axis=axis, sizes=sizes), source)
    start = 0
    for part, size in zip(parts, sizes, strict=True):
        rows = np.moveaxis(x, axis, 0)[start : start + size].tolist()
        assert np.moveaxis(part.codes, axis, 0).tolist() == rows
        assert part.type == source.type.reshaped(tuple(size if i == axis else d for i, d in enumerate(x.shape)))
        start += size
    assert_same(x, run(Concat(axis=axis), *parts).codes)


def test_floats_and_batches():
    low, high = run_all(Split(axis=0, sizes=(8, 8)), tensor(np.arange(16), FP4_E2M1))
    assert (low.codes.tolist(), high.codes.tolist()) == (list(range(8)), list(range(8, 16)))
    assert [p.shape for p in Split(axis=1, sizes=(1, 2)).out_type(t("N", 3))] == [("N", 1), ("N", 2)]


def test_refusals():
    refuses(Split(axis=0, sizes=(2, 2)), (t(5),), "(2, 2)", "(5,)")
    refuses(Split(axis=0, sizes=()), (t(5),), "()")
    refuses(Split(axis=0, sizes=(-1, 6)), (t(5),), "(-1,)")
    refuses(Split(axis=0, sizes=(0, 5)), (t(5),), "(0,)")
    refuses(Split(axis=0, sizes=(1, 1)), (t("N", 5),), "batch")
    refuses(Split(axis=1, sizes=(1, 1)), (t(5),), "axis 1")
    refuses(Split(axis=0, sizes=(1, 1)), (t(2, scale=(1.0, 2.0), axis=0),), "per-channel")
