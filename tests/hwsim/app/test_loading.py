"""A user's functions by name: of arrays or of floats, and one line with the place for what goes wrong."""

import pickle
import sys

import numpy as np
import pytest

from hwsim.app.loading import UserFunction, user_function
from tests.compare import assert_refused

TEXT = """
import math

def cube(x):
    return x * x * x

def larger(x):
    return max(x, 0.0)

def constant(x):
    return 2

def root(x):
    y = 1
    return math.sqrt(x)

class Deep:
    short = lambda x: math.exp(x)

five = 5
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "mine_of_the_user.py").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    yield "mine_of_the_user"
    sys.modules.pop("mine_of_the_user", None)


@pytest.mark.parametrize(
    ("name", "one_by_one", "want"),
    [
        ("cube", False, [-8, 0, 27]),
        ("larger", True, [0, 0, 3]),
        ("constant", True, [2, 2, 2]),
        ("Deep.short", True, np.exp([-2, 0, 3])),
    ],
)
def test_functions_of_arrays_and_of_floats(mine, name, one_by_one, want):
    before = list(sys.path)
    fn = user_function(f"{mine}:{name}", (-2.0, 3.0))
    assert fn.one_by_one == one_by_one
    assert fn.__name__ == name
    np.testing.assert_allclose(fn(np.array([-2.0, 0.0, 3.0])), want)
    again = pickle.loads(pickle.dumps(fn))
    assert again == fn
    np.testing.assert_allclose(again(np.array([3.0])), want[2:])
    assert sys.path == before


def test_refusals(mine):
    span = (-2.0, 1.0)
    assert_refused(lambda: user_function(f"{mine}:five", span), f"{mine}:five", "int", "function")
    assert_refused(lambda: user_function(f"{mine}:six", span), f"{mine}:six", "'six'")
    assert_refused(lambda: user_function("nowhere:f", span), "nowhere:f", "'nowhere'")
    assert_refused(lambda: user_function(f"{mine}:root", span), f"{mine}:root", "ValueError", "mine_of_the_user.py:15")
    late = UserFunction(f"{mine}:root", one_by_one=True)
    assert late(np.array([4.0])).tolist() == [2]
    assert_refused(lambda: late(np.array([4.0, -1.0])), "mine_of_the_user.py:15")
