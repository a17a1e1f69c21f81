"""Libraries by name and by file."""

import gzip
import hashlib
from pathlib import Path

import pytest

from codegen.synthesis import library_named
from codegen.synthesis.gate_equivalents import gate_equivalents

from .circuits import OWN, SHARED, needs_osu018


def test_our_own_is_always_there_and_counts_nand2() -> None:
    assert (OWN.licence, OWN.source, OWN.area_unit, OWN.voltage) == ("Apache-2.0", "hwsim", "NAND2", 0.9)
    assert (OWN.nand2.name, OWN.nand2.area) == ("NAND2", 1.0)
    assert [c.name for c in OWN.flip_flops] == ["DFF"]
    assert OWN.sha256 == hashlib.sha256(gate_equivalents().encode()).hexdigest()


@needs_osu018
def test_osu018_comes_from_debian_with_its_licence() -> None:
    library = library_named("osu018")
    assert (library.name, library.voltage, library.nand2.name) == ("osu018_stdcells", 1.8, "NAND2X1")
    assert library.licence == "License: GPL (Debian's copyright file)"
    assert "LATCH" not in library.cells
    assert library.flip_flops[0].name == "DFFPOSX1"


@pytest.mark.skipif(not SHARED.is_dir(), reason="left out: sg13g2 and gt2n (../shared is not there)")
@pytest.mark.parametrize(
    ("name", "voltage", "nand2", "flip_flop", "licence"),
    [
        ("sg13g2", 1.2, "sg13g2_nand2_1", "sg13g2_dfrbpq_1", "Licensed under the Apache License, Version 2.0"),
        ("gt2n", 0.7, "gt2_6t_nand2_x1_w31_svt", "gt2_6t_dffasync_x1_w31_svt", "BSD 3-Clause License"),
    ],
)
def test_files_say_their_licence(name: str, voltage: float, nand2: str, flip_flop: str, licence: str) -> None:
    library = library_named(str(SHARED / f"{name}.lib.gz"))
    assert library.source == f"{name}.lib.gz"
    assert library.licence.startswith(licence)
    assert (library.voltage, library.nand2.name, library.flip_flops[0].name) == (voltage, nand2, flip_flop)


def test_a_file_may_be_packed_and_cells_left_out(tmp_path: Path) -> None:
    text = gate_equivalents()
    (tmp_path / "a.lib").write_text(text)
    (tmp_path / "a.lib.gz").write_bytes(gzip.compress(text.encode()))
    plain, packed = (library_named(str(tmp_path / n), leave_out=("XOR*",)) for n in ("a.lib", "a.lib.gz"))
    assert plain.sha256 == packed.sha256 == OWN.sha256
    assert set(OWN.cells) - set(packed.cells) == {"XOR2"}
    assert "cell (XOR2)" not in packed.text
    assert packed.left_out == ("XOR*",)
    assert str(tmp_path) not in repr(packed)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"library 'none\.lib': no such file, and no name"):
        library_named("none.lib")
    (tmp_path / "half.lib.gz").write_bytes(gzip.compress(b"library")[:-9])
    with pytest.raises(ValueError, match=r"^half\.lib\.gz: "):
        library_named(str(tmp_path / "half.lib.gz"))
