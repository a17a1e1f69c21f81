"""Plain flip-flops made of those with resets."""

from pathlib import Path

import pytest

from codegen.synthesis import library_named
from codegen.synthesis.flip_flops import mapping
from codegen.synthesis.yosys import script

from .circuits import OWN, mac

ALL_RESET = """library (r) { capacitive_load_unit (1, pf); nom_voltage : 1;
  cell (BIG) { area : 9; ff (IQ, IQN) { next_state : "D"; clocked_on : "C"; clear : "!R"; }
    pin (D) { direction : input; } pin (C) { direction : input; } pin (R) { direction : input; }
    pin (Q) { direction : output; function : "IQ"; } }
  cell (FF) { area : 8; ff (I, IN) { next_state : "X"; clocked_on : "K"; clear : "(!RN)"; preset : "S"; }
    pin (X) { direction : input; } pin (K) { direction : input; } pin (RN) { direction : input; }
    pin (S) { direction : input; } pin (QN) { direction : output; function : "IN"; }
    pin (QP) { direction : output; function : "I"; } }
}
"""


def test_a_plain_flip_flop_needs_no_mapping() -> None:
    assert mapping(OWN) == ""


def test_flip_flops_with_resets_become_plain_ones(tmp_path: Path) -> None:
    (tmp_path / "r.lib").write_text(ALL_RESET)
    library = library_named(str(tmp_path / "r.lib"))
    assert mapping(library).splitlines() == [
        "module \\$_DFF_P_ (input D, C, output Q);",
        "  FF _TECHMAP_REPLACE_ (.X(D), .K(C), .QP(Q), .RN(1'b1), .S(1'b0));",
        "endmodule",
    ]
    assert "dfflegalize -cell $_DFF_P_ x\ntechmap -map @/flip_flops.v\n" in script(mac(), library, "fused")


def test_a_library_without_flip_flops_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.lib").write_text(ALL_RESET.replace("clocked_on : ", "clocked_on : !"))
    with pytest.raises(ValueError, match="library r: no flip-flop that stores one input"):
        mapping(library_named(str(tmp_path / "n.lib")))
