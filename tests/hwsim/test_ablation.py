"""The float column of an ablation with operands in blocks: what nothing frees is near the integer graph."""

import numpy as np
import pytest

from hwsim import Recipe
from hwsim.ablation import ablate, emulate
from hwsim.lowering import lower
from hwsim.quantization import settle
from tests.oracles.nets import reals, residual_net, samples


@pytest.mark.parametrize("name", ["mxfp4", "fp4_e2m1"])
def test_the_emulation_rounds_operands_as_the_graph_does(name):
    front = residual_net(0)
    front.outputs = ["fc3"]
    data, recipe = samples(front), Recipe(weights=name, operands=name)
    s = settle(front, [data], recipe)
    graph = lower(s.front, s.ranges, recipe)
    want = front.evaluate(data)["fc3"]
    noise = [
        float(np.mean((y - want) ** 2)) for y in (reals(graph, data)["fc3"], emulate(s.front, graph, recipe, data, ()))
    ]
    assert noise[1] == pytest.approx(noise[0], rel=0.15)


def test_layers_with_block_operands_are_widened():
    front = residual_net(0)
    front.outputs = ["fc3"]
    data = samples(front)
    rows = ablate(front, [data], Recipe(weights="mxfp4", operands="mxfp4"), data)
    assert [r.layer for r in rows] == ["", "fc1", "fc2", "fc3"]
