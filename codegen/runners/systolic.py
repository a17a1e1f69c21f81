"""Run whole matrix products on a systolic tile in Icarus Verilog, and count their cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from hwsim.formats import Codes

from ..rtl.systolic import SystolicTile
from ..rtl.systolic_schedule import schedule
from .verilog import icarus_version, run_unit


class TileRun(NamedTuple):
    """Result codes (.., m, n), cycles from the first word of weights to the last result, and what ran."""

    y: Codes
    cycles: int
    tool: str


def run_matmul(tile: SystolicTile, a: Codes, b: Codes, verilog: Mapping[str, str] | None = None) -> TileRun:
    """``a @ b`` in codes, on the emitted Verilog.

    Args:
        tile: the array.
        a: codes (m, k), or (batch, m, k).
        b: codes (k, n), or (batch, k, n).
        verilog: texts to simulate; default what `emit_verilog` writes. A netlist of the same ports will do.

    Raises:
        ValueError: shapes that are no product; no simulator.
        RuntimeError: the simulator refuses the text, or a result is unknown (X).
    """
    if a.ndim != b.ndim or a.ndim not in (2, 3) or a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2]:
        raise ValueError(f"systolic tile: no product of shapes {a.shape} and {b.shape}; both (m, k) (k, n), or batched")
    if not a.size or not b.size:
        raise ValueError(f"systolic tile: shapes {a.shape} and {b.shape} have nothing to multiply")
    left, right = (x.reshape(-1, *x.shape[-2:]) for x in (a, b))
    codes, tiles = schedule(tile.array, left, right, tile.zero)
    out = run_unit(tile, codes, verilog)
    columns = np.stack([out[port] for port in tile.results], axis=-1)
    y = np.zeros((len(left), a.shape[-2], b.shape[-1]), columns.dtype)
    for i, row, column, at in tiles:
        part = y[i, row : row + tile.rows, column : column + tile.columns]
        part[:] = columns[at : at + tile.rows][::-1][: part.shape[0], : part.shape[1]]
    last = tiles[-1][-1] + tile.rows - 1
    return TileRun(y.reshape(*a.shape[:-1], b.shape[-1]), last + tile.latency + 1, icarus_version())
