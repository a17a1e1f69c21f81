import numpy as np
import pytest

from hwsim import INT8, Graph, QTensor, QType, simulate
from hwsim.kernels import packing
from hwsim.kernels.packing import Packed
from hwsim.kernels.stages import fits, folded
from hwsim.ops import MatMul
from tests.compare import assert_same


def in_panels(matrices, columns):
    """Numbers in the order of `Packed`, one after the other."""
    made, j = [], 0
    while j < columns:
        wide = next(w for w in (64, 32, 16) if w <= columns - j)
        for matrix in matrices:
            for step in range(0, len(matrix), 4):
                for column in range(j, j + wide):
                    for k in range(step, step + 4):
                        inside = k < len(matrix) and column < len(matrix[0])
                        made.append(int(matrix[k][column]) if inside else 0)
        j += wide
    return made


@pytest.mark.parametrize(
    ("segments", "k", "n", "columns"),
    [(1, 4, 64, 64), (1, 1, 1, 16), (2, 5, 17, 32), (3, 9, 100, 112), (1, 384, 7, 16)],
)
def test_weights_lie_as_the_tile_reads_them(segments, k, n, columns):
    given = np.random.default_rng(n).integers(-128, 128, (segments, k, n))
    for matrices in (given, given.astype(np.int8), np.asfortranarray(given.astype(np.int8))):
        packed = Packed(matrices, columns)
        assert packed.steps == -(-k // 4)
        assert packed.made().tolist() == in_panels(given, columns)


def product(shape=(300, 400)):
    g, rng = Graph(), np.random.default_rng(0)
    x = g.input("x", QType(("N", shape[0]), INT8, 0.1))
    w = QTensor(QType(shape, INT8, 0.1), rng.integers(-128, 128, shape).astype(np.int8))
    g.output(g.add(MatMul(), x, g.constant("w", w)))
    return g, {"x": rng.integers(-128, 128, (3, shape[0]))}


def test_a_rule_that_is_only_tried_packs_nothing(monkeypatch):
    g, inputs = product()
    made = []
    monkeypatch.setattr(packing, "give_back", made.append)  # the last thing that `made` does
    assert fits(g, folded(g), g.nodes[0])
    assert made == []
    y = simulate(g, inputs)
    assert len(made) == 1
    assert_same(simulate(g, inputs, engine="numpy")[g.outputs[0].name], y[g.outputs[0].name])
