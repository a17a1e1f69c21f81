"""No software floats: a target without an FPU refuses every node that computes in float32, all at once."""

from __future__ import annotations

import pytest

from codegen import emit_c
from codegen.targets import TARGETS
from codegen.unsupported import Unsupported
from hwsim.contracts import Dyadic16, OnnxFloat
from hwsim.formats import INT8
from hwsim.graph import Graph
from hwsim.ops import Requant
from hwsim.qtensor import BATCH, QType


def graph(contract: type) -> Graph:
    g = Graph("floats")
    x = g.input("x", QType((BATCH, 3), INT8, 0.5))
    for name in ("a", "b"):
        x = g.add(Requant.to(QType((), INT8, 0.7), x.type, contract), x, name=name)
    g.output(x)
    return g


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name)
def test_floats_only_where_hardware_has_them(target) -> None:
    emit_c(graph(Dyadic16), target=target.name)
    if target.float32:
        assert "float" in emit_c(graph(OnnxFloat), target=target.name)["floats.c"]
        return
    with pytest.raises(Unsupported, match=r"lacks such floats: 2 parts.* node 0 requant 'a'.* node 1 requant 'b'"):
        emit_c(graph(OnnxFloat), target=target.name)
