"""SCALE-Sim's cycles beside ours: recorded figures of release 3.0.0, and the tool itself where it is installed.

It lets an array run empty before each fold (our tile): with R rows and C columns,

    output stationary   tiles * (k + R + C - 2) - 1        weight stationary   tiles * (m + 2 R + C - 2) - 1

where -1 is because it reports the number of the last cycle, counted from 0. Ours overlaps tiles, so fill and drain are
paid once, and it counts the first load of weights and two registers at the edge.
"""

import numpy as np
import pytest

from hwsim.costs.cycles import Array, matmul_cycles

SIDE = 16  # rows and columns
RECORDED = {  # layer: (m, k, n), "Total Cycles" of COMPUTE_REPORT.csv with dataflow os and ws; no stalls
    "ViT patches": ((16, 49, 64), 315, 991),
    "ViT projections": ((17, 64, 64), 751, 1007),
    "ViT scores": ((17, 16, 17), 183, 125),
    "ViT values": ((17, 17, 16), 93, 125),
    "ViT up": ((17, 64, 128), 1503, 2015),
    "ViT down": ((17, 128, 64), 1263, 2015),
    "ViT head": ((1, 64, 10), 93, 187),
    "MiniLM projections": ((128, 384, 384), 79487, 100223),
    "MiniLM scores": ((128, 32, 128), 3967, 2783),
    "MiniLM values": ((128, 128, 32), 2527, 2783),
    "MiniLM up": ((128, 384, 1536), 317951, 400895),
    "MiniLM down": ((128, 1536, 384), 300671, 400895),
}


def difference(dataflow: str, m: int, k: int, tiles: int) -> dict[str, int]:
    """Ours less theirs, term by term."""
    r = c = SIDE
    if dataflow == "output":
        return {
            "first weights": k,
            "edge, skew, closing token and drain, once": 2 * r + c,
            "rows leave one a cycle": tiles * max(0, r - k),
            "skew and drain of every fold": -tiles * (r + c - 2),
            "cycles are counted, not numbered": 1,
        }
    return {
        "first weights": r,
        "edge and skew, once": r + c,
        "weights take a cycle a row": tiles * max(0, r - m),
        "weights and skew of every fold": -tiles * (2 * r + c - 2),
        "cycles are counted, not numbered": 1,
    }


@pytest.mark.parametrize("dataflow", ["output", "weight"])
@pytest.mark.parametrize("name", RECORDED)
def test_the_difference_is_what_we_say(name, dataflow):
    (m, k, n), *theirs = RECORDED[name]
    told = theirs[dataflow == "weight"]
    ours = matmul_cycles(Array(rows=SIDE, columns=SIDE, dataflow=dataflow), m, k, n)
    fold = k + 2 * SIDE - 2 if dataflow == "output" else m + 3 * SIDE - 2
    assert told == ours.tiles * fold - 1
    assert ours.total - told == sum(difference(dataflow, m, k, ours.tiles).values())


def test_the_longer_the_sums_the_less_it_is():
    shares = {}
    for name, ((m, k, n), told, _) in RECORDED.items():
        shares[name] = matmul_cycles(Array(rows=SIDE, columns=SIDE), m, k, n).total / told
    assert 0.98 < shares["MiniLM down"] < 1 < shares["ViT head"]
    assert 0.92 < shares["MiniLM up"] < 0.94
    assert min(shares.values()) == shares["MiniLM scores"] > 0.5


@pytest.mark.parametrize("dataflow", ["os", "ws"])
@pytest.mark.parametrize("name", [n for n in RECORDED if n.startswith("ViT")])
def test_the_tool_itself(name, dataflow):
    pytest.importorskip("scalesim", reason="left out: SCALE-Sim (pip install scalesim)")
    from scalesim.compute import systolic_compute_os, systolic_compute_ws
    from scalesim.scale_config import scale_config

    (m, k, n), *theirs = RECORDED[name]
    config = scale_config()
    config.array_rows = config.array_cols = SIDE
    config.valid_conf_flag = True
    made = {"os": systolic_compute_os.systolic_compute_os, "ws": systolic_compute_ws.systolic_compute_ws}[dataflow]()
    operands = {"ifmap_op_mat": np.zeros((m, k)), "filter_op_mat": np.zeros((k, n)), "ofmap_op_mat": np.zeros((m, n))}
    made.set_params(config_obj=config, **operands)
    lines = [len(demand) for demand in made.get_demand_matrices()]
    assert lines == [theirs[dataflow == "ws"] + 1] * 3
