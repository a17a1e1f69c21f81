"""``softmax(q @ k.T / sqrt(d)) @ v``, in integers: exact scores, `Softmax`, one requantization at the end.

Source: arXiv:1706.03762, eq. 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..contracts import Contract, Dyadic16
from ..formats import UINT8
from ..graph import Graph, Value
from ..ops import MatMul, Requant, Transpose
from ..qtensor import QType
from .exact import exact
from .fitted import NO_TABLES, Tables
from .softmax import Softmax

PROBABILITIES = QType((), UINT8, 2.0**-8)


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Scaled dot-product attention; calling it adds the nodes.

    Args:
        softmax: its widths.
        probabilities: format and scale of the softmax's result.
    """

    softmax: Softmax = field(default_factory=Softmax)
    probabilities: QType = PROBABILITIES

    def __call__(
        self,
        g: Graph,
        q: Value,
        k: Value,
        v: Value,
        out: QType,
        *,
        mask: Value | None = None,
        gain: float | None = None,
        contract: type[Contract] = Dyadic16,
        rounding: str = "half_up",
        tables: Tables = NO_TABLES,
        name: str = "attention",
    ) -> Value:
        """Attention of `q` to `k` and `v`, in type `out`.

        Args:
            g: the graph.
            q: shape (N, .., queries, d), zero_point 0.
            k: shape (N, .., keys, d).
            v: shape (N, .., keys, e).
            out: integer format, scale and zero point of the result, shape (N, .., queries, e).
            mask: unsigned codes that broadcast against (N, .., queries, keys); 0 leaves a key out.
            gain: default ``1 / sqrt(d)``.
            contract: of requantizations.
            rounding: of requantizations.
            tables: fitted ones for softmax.
            name: of the result; inner values are called ``name.scores``, ``name.softmax`` ...
        """
        rank = len(k.type.shape)
        turned = g.add(Transpose(perm=(*range(rank - 2), rank - 1, rank - 2)), k, name=f"{name}.k")
        factor = int(q.type.shape[-1]) ** -0.5 if gain is None else gain
        scores = exact(g, MatMul(gain=factor), q, turned, name=f"{name}.scores")
        p = self.softmax(
            g, scores, self.probabilities, mask=mask,
            contract=contract, rounding=rounding, tables=tables, name=f"{name}.softmax",
        )  # fmt: skip
        mixed = exact(g, MatMul(), p, v, name=f"{name}.acc")
        return g.add(Requant.to(out, mixed.type, contract, rounding), mixed, name=name)
