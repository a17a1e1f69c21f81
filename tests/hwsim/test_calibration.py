import numpy as np
import pytest

from hwsim import Recipe
from hwsim.calibration import calibrate
from tests.compare import assert_one_line, assert_refused
from tests.oracles.nets import linear_net, residual_net, samples


def test_ranges_are_what_every_value_took():
    front, batches = residual_net(0), [samples(residual_net(0), seed) for seed in range(3)]
    ranges = calibrate(front, batches, Recipe())
    seen = [front.evaluate(b) for b in batches]
    assert set(ranges) == {"x", "flat", "fc1", "act1", "fc2", "sum", "act2", "fc3"}
    for name, (lo, hi) in ranges.items():
        assert (lo, hi) == (min(s[name].min() for s in seen), max(s[name].max() for s in seen))


def test_each_value_has_its_own_rule():
    front = residual_net(0)
    data = samples(front, count=2000)
    recipe = Recipe(overrides=(("fc*", {"observer": "percentile"}),))
    ranges, plain = calibrate(front, [data], recipe), calibrate(front, [data], Recipe())
    assert {n for n in ranges if ranges[n] != plain[n]} == {"fc1", "act1", "fc2", "fc3"}  # act1 is fused into fc1
    lo, hi = np.percentile(front.evaluate(data)["fc1"].astype(np.float64), [0.01, 99.99])
    assert ranges["fc1"] == (lo, hi)


def test_refusals_name_the_culprit():
    front = linear_net(np.ones((2, 3)))
    bad = samples(front)
    bad["x"][5, 1] = np.nan
    for batches, culprits in (
        ([], ("calibration", "empty")),
        ([{}], ("[]", "['x']")),
        ([{"x": np.zeros((0, 3))}], ("'x'", "(0, 3)")),
        ([samples(front), bad], ("'x'", "1 elements", "NaN")),
        ([{"x": np.zeros((4, 2))}], ("'x'", "(4, 2)")),
    ):
        assert_refused(lambda b=batches: calibrate(front, b, Recipe()), *culprits)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(number):
    front = linear_net([[1.0, number, 3.0]])
    with pytest.raises(ValueError, match="parameter 'w'") as e:
        front.check()
    assert_one_line(e.value, str(number), "(0, 1)")
    with np.errstate(all="ignore"):
        assert_refused(lambda: calibrate(front, [samples(front)], Recipe()))


def test_a_model_that_overflows_is_refused():
    front = linear_net(np.full((2, 3), 3e38))
    with pytest.raises(ValueError, match="'fc'") as e, np.errstate(all="ignore"):
        calibrate(front, [{"x": np.full((1, 3), 1e6)}], Recipe())
    assert_one_line(e.value, "NaN or Inf")
