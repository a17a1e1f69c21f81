"""Softmax and norms against float64, on the integers that really reached them."""

import numpy as np
import pytest

from hwsim import Recipe, simulate
from hwsim.quantization import quantize_model
from hwsim.reports import compare
from hwsim.reports.report import block_entry
from tests.oracles.nets import encoder_net, samples


@pytest.fixture(scope="module")
def net():
    front = encoder_net(0, width=16, heads=2, tokens=5, causal=True)
    x = samples(front)
    return x, quantize_model(front, [x], Recipe())


def real(graph, codes, name):
    v = next(v for v in graph.values() if v.name == name)
    return (codes[name].astype(np.float64) - v.type.zero_point) * float(v.type.lsb), float(v.type.lsb)


def test_figures_are_what_numpy_says(net):
    """Two blocks computed again from the trace by other means."""
    x, (graph, twin) = net
    rows = {r.value: r for r in compare(graph, x, twin).blocks}
    assert set(rows) == {n.out for n in twin.nodes if n.op in ("softmax", "layer_norm", "rms_norm")}
    codes = simulate(graph, x, trace=True)
    node = next(n for n in twin.nodes if n.op == "softmax")
    scores, _ = real(graph, codes, node.ins[0])
    p, step = real(graph, codes, node.out)
    e = np.exp(scores) * twin.params[node.ins[1]]
    want = e / e.sum(-1, keepdims=True)
    row = rows[node.out]
    assert row.rows == want[..., 0].size
    assert row.max_error == pytest.approx(np.abs(p - np.minimum(want, 255 / 256)).max())
    assert row.max_error_lsb == pytest.approx(row.max_error / step)
    assert row.mean_error == pytest.approx(np.abs(p - np.minimum(want, 255 / 256)).mean())
    assert (row.least_sum, row.greatest_sum) == pytest.approx((p.sum(-1).min(), p.sum(-1).max()))
    assert row.flips == sum(
        bool(a[int(b.argmax())] < a.max())
        for a, b in zip(*(v.reshape(-1, v.shape[-1]) for v in (p, want)), strict=True)
    )
    assert 0 < row.max_error < 0.02


def test_a_wrong_block_shows(net):
    """Swapped probabilities: flips and errors are counted."""
    from hwsim.reports.blocks import BlockErrors

    x, (graph, twin) = net
    codes = simulate(graph, x, trace=True)
    name = next(n.out for n in twin.nodes if n.op == "softmax")
    errors = BlockErrors(graph, twin)
    errors.add({**codes, name: codes[name][..., ::-1]})
    row = next(r for r in errors.rows if r.value == name)
    assert row.flips > row.rows / 4
    assert row.max_error > 0.5


def test_equal_probabilities_are_ties_not_flips():
    """Nothing is hidden: a row that no longer prefers a key counts, unless float64 does not either."""
    from hwsim.reports.blocks import BlockError

    row = BlockError(op="softmax", value="p")
    want = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2], [0.2, 0.5, 0.3]])
    row.add(np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.5, 0.25, 0.25]]), want, 1 / 256)
    assert (row.ties, row.flips) == (1, 1)


def test_entries_are_plain_and_short(net):
    x, (graph, twin) = net
    entry = block_entry(compare(graph, x, twin).blocks[0])
    figures = {"max_error", "mean_error", "max_error_lsb", "flips", "ties", "least_sum", "greatest_sum"}
    assert set(entry) == {"op", "value", "rows"} | figures
    assert all(v == float(f"{v:.4g}") for v in entry.values() if isinstance(v, float))
