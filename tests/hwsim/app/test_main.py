import subprocess
import sys
from pathlib import Path

import pytest

import hwsim as package
from hwsim.app import show
from hwsim.app.errors import explained, one_line

SCRIPT = Path(sys.executable).with_name("hwsim")


def test_version(hwsim):
    assert hwsim("--version") == (0, f"hwsim {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ((), "COMMAND"),
        (("bogus",), "bogus"),
        (("verify",), "MODEL"),
        (("show", "m.qg", "--bogus"), "--bogus"),
        (("verify", "m.qg", "--samples", "many"), "many"),
        (("emit",), "c|cmsis-nn|onnx|qdq"),
        (("build", "-o", ""), "'' behind '-o' is empty"),
        (("build", "mlp", "--labels="), "'--labels=' is empty"),
    ],
)
def test_usage_errors_are_one_line(refused, words, culprit):
    assert culprit in refused(*words)


def test_console_script_and_module_run(graph_file):
    for start in ([str(SCRIPT)], [sys.executable, "-m", "hwsim"]):
        done = subprocess.run([*start, "show", str(graph_file)], capture_output=True, text=True, check=True)
        assert "relu1.acc" in done.stdout
        assert done.stderr == ""


def test_errors_reach_the_shell_as_status_2(tmp_path):
    done = subprocess.run([SCRIPT, "show", str(tmp_path / "none.qg")], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"hwsim: {tmp_path}/none.qg: No such file or directory\n"


def test_a_closed_pipe_is_quiet(graph_file):
    command = f"{SCRIPT} show {graph_file} --json | true"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


def test_interrupt(hwsim, monkeypatch, graph_file):
    def stop(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(show, "load_graph", stop)
    assert hwsim("show", graph_file) == (130, "", "hwsim: interrupted\n")


@pytest.mark.parametrize(
    ("module", "extra"), [("torch", "algos"), ("onnx", "codegen"), ("onnxruntime.capi", "codegen")]
)
def test_a_missing_package_is_named_with_what_to_install(refused, monkeypatch, graph_file, module, extra):
    def absent(path):
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(show, "load_graph", absent)
    line = refused("show", graph_file)
    assert f"pip install 'hwsim[{extra}]'" in line
    assert module.partition(".")[0] in line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("gcc refused:\nmodel.c:3"), "hwsim: gcc refused:; model.c:3"),
        (TypeError("3 is no graph"), "hwsim: internal error at test_main.py:"),
        (AssertionError(), "AssertionError"),
        (PermissionError(13, "Permission denied", "m.qg"), "hwsim: m.qg: Permission denied"),
    ],
)
def test_no_failure_is_taken_for_a_mismatch(refused, monkeypatch, graph_file, error, line):
    def fail(path):
        raise error

    monkeypatch.setattr(show, "load_graph", fail)
    assert line in refused("show", graph_file)


def test_errors_are_printable_and_short():
    assert one_line("a\nb\x1b\u202e \n\n c") == "a; b\\x1b\\u202e; c"
    assert len(one_line("x" * 100_000)) < 2100
    assert explained(FileNotFoundError(2, "No such file or directory", "x.npz")) == "x.npz: No such file or directory"
    assert explained(ValueError()) == "ValueError"
