"""Many seeds, here or on an executor: the same tables."""

from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest

from algos.gqa_lut import fit, fit_seeds
from hwsim.app.pool import pool
from tests.compare import assert_refused


def square(x):
    return np.square(x)


class Reversed(Executor):
    """Runs the last task first."""

    def map(self, fn, *iterables, **_):
        tasks = list(zip(*iterables, strict=True))
        return reversed([fn(*task) for task in reversed(tasks)])

    def submit(self, fn, *args, **kwargs) -> Future:
        raise NotImplementedError


@pytest.mark.parametrize("method", ["ours", "nn-lut"])
def test_an_executor_changes_nothing(method):
    settings = {"seeds": (3, 1, 2), "method": method, "scales": (2, 5)}
    here = fit_seeds("silu", 6, **settings)
    assert [(f.seed, f.method) for f in here] == [(s, method) for s in (3, 1, 2)]
    assert here[1].stored == fit("silu", 6, method=method, scales=(2, 5), seed=1).stored
    with ThreadPoolExecutor(2) as threads:
        for executor in (threads, Reversed()):
            assert fit_seeds("silu", 6, executor=executor, **settings) == here


def test_processes_and_what_they_cannot_have():
    with pool(2) as executor:
        got = fit_seeds("silu", 5, seeds=range(3), executor=executor)  # a lambda inside, known by its name
        assert got == fit_seeds("silu", 5, seeds=range(3))
        own = fit_seeds(square, 4, seeds=(0,), span=(-1, 1), executor=executor)
        assert own == fit_seeds(square, 4, seeds=(0,), span=(-1, 1))
        lone = {"span": (-1, 1), "seeds": (0,), "executor": executor}
        assert_refused(lambda: fit_seeds(lambda x: x, 4, **lone), "<lambda>", "executor", "def")
        assert_refused(lambda: fit_seeds("gelo", seeds=(0,), executor=executor), "gelo")
        assert_refused(lambda: fit_seeds("gelu", seeds=(0,), method="best", executor=executor), "'best'")
    with pool(1) as nothing:
        assert nothing is None
    with pytest.raises(TypeError, match="mine"):
        fit_seeds(failing, 4, seeds=(0,), span=(-1, 1))


def failing(x):
    raise TypeError("mine")
