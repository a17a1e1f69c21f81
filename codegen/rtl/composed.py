"""Units of whole blocks: softmax, LayerNorm, RMSNorm over rows of one length, out of the graphs of `hwsim.blocks`."""

from __future__ import annotations

from typing import Any

from hwsim.blocks.layernorm import LayerNorm
from hwsim.blocks.rmsnorm import RMSNorm
from hwsim.blocks.softmax import Softmax
from hwsim.graph import Graph
from hwsim.qtensor import BATCH, QType

from .row import RowUnit


def softmax_unit(row: int, x: QType, out: QType, *, block: Softmax | None = None, **choices: Any) -> RowUnit:
    """Probabilities over rows of scores.

    Args:
        row: scores of a row.
        x: format, scale and zero point of a score; its shape does not matter.
        out: of a probability.
        block: the widths.
        choices: ``stages`` and ``name`` of `RowUnit`; everything else goes to the block.
    """
    return _unit(block or Softmax(), "softmax", row, x, out, choices)


def layernorm_unit(row: int, x: QType, out: QType, *, block: LayerNorm | None = None, **choices: Any) -> RowUnit:
    """Normalised rows, with ``weight`` and ``bias`` wired; arguments as of `softmax_unit`."""
    return _unit(block or LayerNorm(), "layernorm", row, x, out, choices)


def rmsnorm_unit(row: int, x: QType, out: QType, *, block: RMSNorm | None = None, **choices: Any) -> RowUnit:
    """Rows over their root mean square, with ``weight`` wired; arguments as of `softmax_unit`."""
    return _unit(block or RMSNorm(), "rmsnorm", row, x, out, choices)


def _unit(block: Any, name: str, row: int, x: QType, out: QType, choices: dict[str, Any]) -> RowUnit:
    """One input ``x``, one output ``y``."""
    of_unit = {"name": name} | {key: choices.pop(key) for key in ("stages", "name") if key in choices}
    g = Graph(name)
    g.output(block(g, g.input("x", x.reshaped((BATCH, row))), out, name="y", **choices))
    return RowUnit(graph=g, **of_unit)
