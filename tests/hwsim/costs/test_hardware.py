from __future__ import annotations

from dataclasses import replace

import pytest

from hwsim.costs.hardware import MatrixUnit, Sram, VectorUnit
from hwsim.costs.hardware_file import FOLDER, hardware_named, shipped_hardware

from .small import hardware


def test_shipped_descriptions():
    assert shipped_hardware() == ("edge-fp32", "edge-fp4", "edge-int4", "edge-int8", "edge-mixed")
    h = hardware_named("edge-int8")
    assert (h.name, h.technology, h.clock_hz, h.numbers, h.gated) == ("edge-int8", "sg13g2", 100e6, "codes", True)
    assert h.arrays[0].text == "16 x 16 of int9 x int8 -> 32 bits, output stationary"
    assert h.arrays[0].elements == 256
    assert h.buffers.outputs == h.outputs.bytes == 32768
    assert hardware_named("edge-fp32").float_bits == 32


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gated = true", "gatd = true", "key gatd is unknown; there are technology, clock_hz"),
        ("rows = 16", "rows = 1.5", r"key arrays\[0\]\.rows is 1\.5, must be an integer"),
        ("rows = 16", "rows = true", r"key arrays\[0\]\.rows is True, must be an integer"),
        ("rows = 16", "rows = 0", r"arrays\[0\]: array: rows 0 must be an integer >= 1"),
        ("rows = 16", "", r"key arrays\[0\]\.rows is missing"),
        ('a = "int9"', 'a = "int99"', r"arrays\[0\]: format 'int99'"),
        ('a = "int9"', 'block = "mxfp4"', "give a and b, or block, or float"),
        ('a = "int9"\nb = "int8"', 'block = "mxfp4"\nlanes = 5', "lanes 5 do not divide blocks of 32"),
        ('a = "int9"\nb = "int8"', 'float = "fp64"', "float 'fp64' is unknown"),
        ('dataflow = "output"', 'dataflow = "row"', "dataflow 'row' is unknown"),
        ("clock_hz = 100e6", 'clock_hz = "100 MHz"', "key clock_hz is '100 MHz', must be a number"),
        ("clock_hz = 100e6", "clock_hz = -1.0", r"clock -1\.0 Hz must be above 0"),
        ('numbers = "codes"', 'numbers = "bits"', "numbers 'bits': use codes or float"),
        ('numbers = "codes"', 'numbers = "float"', r"vector\.requant with numbers 'float'"),
        ("out = 32", 'out = "int8"', "out 'int8' must be a number of bits or entries"),
        (
            'a = "int9"\nb = "int8"\naccumulator = 32',
            'block = "mxfp4"\naccumulator = 24',
            "accumulator 24 of blocks or floats",
        ),
        ("[vector.add]", "[vector.subtract]", "unit family 'subtract' is unknown"),
        ("[vector.add]", "[vector.operator]", r"key vector\.operator\.bits is unknown"),
        ("bits = 40", "bits = 40\nmore = 1", r"key vector\.add\.more is unknown"),
        ("[sram.outputs]", "[sram.output]", r"key sram\.output is unknown; there are weights, activations, outputs"),
        ("port_bits = 512", "port_bits = 0", r"sram\.outputs: sram: port_bits 0"),
        ("port_bits = 256", "port_bits = 100", r"takes 144 bits a cycle, sram\.activations has port_bits 100"),
        ("bits_per_cycle = 32", "bits_per_cycle = 0", "dram_bits 0 must be an integer >= 1"),
        ("[dram]", "[dram", "no TOML"),
    ],
)
def test_what_a_file_may_not_say(tmp_path, old, new, said):
    text = (FOLDER / "edge-int8.toml").read_text()
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=rf"^mine\.toml: .*{said}") as e:
        hardware_named(str(tmp_path / "mine.toml"))
    assert "\n" not in str(e.value)


def test_a_table_beside_the_file(tmp_path):
    text = (FOLDER / "edge-int8.toml").read_text().replace('"sg13g2"', '"mine.json"')
    (tmp_path / "mine.toml").write_text(text)
    assert hardware_named(str(tmp_path / "mine.toml")).technology == str(tmp_path / "mine.json")


def test_no_such_hardware():
    with pytest.raises(ValueError, match=r"hardware 'tpu': no such file, and not shipped; shipped are edge-fp32, "):
        hardware_named("tpu")


def test_arrays_have_names_once():
    array = hardware().arrays[0]
    with pytest.raises(ValueError, match=r"arrays \['mac', 'mac'\]; give one or more, names once"):
        hardware(arrays=(array, array))
    with pytest.raises(ValueError, match=r"arrays \['add'\]; give .* and none of a vector unit"):
        hardware(arrays=(replace(array, name="add"),))
    with pytest.raises(ValueError, match=r"arrays \[\]; give one or more"):
        hardware(arrays=())


def test_numbers_and_arrays_agree():
    floating = MatrixUnit(name="f", rows=1, columns=1, floating="bf16")
    with pytest.raises(ValueError, match=r"array 'f' \(1 x 1 of bf16, output stationary\) with numbers 'codes'"):
        hardware(arrays=(floating,))
    assert hardware(arrays=(floating,), vector={}, numbers="float").float_bits == 16


def test_one_kind_of_numbers_and_of_sizes():
    with pytest.raises(ValueError, match="give a and b, or block, or float"):
        MatrixUnit(name="x", rows=1, columns=1, a="int8")
    with pytest.raises(ValueError, match="lanes 2 of floats"):
        MatrixUnit(name="x", rows=1, columns=1, floating="fp32", lanes=2)
    with pytest.raises(ValueError, match=r"vector\.add: bits 0 must be"):
        VectorUnit(family="add", lanes=1, parameters={"bits": 0})
    with pytest.raises(ValueError, match=r"bytes 0 must be"):
        replace(Sram(bytes=1, port_bits=1), bytes=0)
