import subprocess

import numpy as np

from hwsim.app import doctor


def test_versions_and_what_they_enable(hwsim):
    status, out, err = hwsim("doctor")
    assert (status, err) == (0, "")
    assert np.__version__ in out
    assert "emit onnx" in out
    assert "gcc" in out
    assert "qemu-system-riscv32" in out
    assert "unicorn" in out
    assert "iverilog" in out
    assert "osu018" in out


def test_missing_packages_say_how_to_get_them(hwsim, monkeypatch):
    monkeypatch.setattr(doctor, "found", lambda package: "")
    monkeypatch.setattr("shutil.which", lambda name: None)
    out = hwsim("doctor").out
    assert "missing: pip install 'hwsim[algos]'" in out
    assert "missing: pip install 'hwsim[codegen]'" in out
    assert "not found" in out
    assert "not found (apt-get install gcc-arm-none-eabi)" in out
    assert "not found (pip install unicorn)" in out
    assert "not found (apt-get install yosys)" in out


def test_a_compiler_that_hangs_is_no_error(monkeypatch):
    def hang(*args, **kwargs):
        raise subprocess.TimeoutExpired("gcc", 20)

    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/gcc")
    monkeypatch.setattr("subprocess.run", hang)
    assert "does not run" in doctor.compiler("gcc")
