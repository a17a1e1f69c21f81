"""What compilers made of the generated C, once wrong: kept right."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="left out: a network that gcc 12.2 once miscompiled (hwsim[algos])")

import algos  # noqa: E402
from codegen import emit_c, verify  # noqa: E402

nn = torch.nn


class Reader(nn.Module):
    """Two encoder layers over twelve tokens: both turn their keys in the same place of the arena."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(50, 32), nn.Linear(32, 5)
        self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), 2)

    def forward(self, ids):
        return self.head(self.layers(self.table(ids)).mean(1))


@pytest.fixture(scope="module")
def reader():
    ids = np.random.default_rng(0).integers(0, 50, (32, 12))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        p = algos.prepare(Reader(), torch.from_numpy(ids))
    algos.calibrate(p, [(ids,)])
    return algos.lower(p), {"ids": ids[:4].astype(np.uint8)}


def test_gcc_drops_no_step(reader):
    """gcc 12.2 -O2 knew where the turned keys lie, lost track of the writes and left the call out (see HW_STEP)."""
    report = verify(*reader, against=("c",))
    assert report.ok, f"\n{report}"


def test_equal_steps_share_one_function(reader):
    graph, _ = reader
    text = emit_c(graph)["reader.c"]
    functions = re.findall(r"HW_STEP void \w+(\([^)]*\)\n\{.*?\n\})", text, re.S)
    assert len(functions) == len(set(functions))
    assert len(functions) < len(graph.nodes)
    assert re.search(r"/\* nodes \d+, \d+.*: transpose", text)
