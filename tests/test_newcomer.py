"""A newcomer's path: the README's commands in order, in a copy of the tree with an empty home, give what it says.

What is installed and what numba has compiled is reused; a fresh clone with its downloads is not a test's job.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TRIED = {  # command of the README's table: what a newcomer types, and a word of what is printed
    "simulate": ("hwsim simulate build/model.qg in.npz -o out.npz", ""),
    "emit": (
        "hwsim emit c build/model.qg -o firmware/ && hwsim emit onnx build/model.qg -o m.onnx && make -s -C firmware",
        "",
    ),
    "verify": ("hwsim verify build/model.qg --samples 4", "equal: "),
    "memory": ("hwsim memory build/model.qg --target cortex-m4 --svg memory.svg", "flash"),
    "explain": ("hwsim explain build/model.qg --against c --samples 4", "equal"),
    "show": ("hwsim show build/model.qg", "dyadic16"),
    "params": ("hwsim params 0.0037", "62076"),
    "compare": ("hwsim compare in.npz", "int8"),
    "estimate": ("hwsim estimate build/model.qg in.npz --hw edge-int8", "cycles"),
    "doctor": ("hwsim doctor", "numpy"),
    "completion": ("hwsim completion bash", "complete"),
}
ELSEWHERE = {  # tests/hwsim/app/test_*.py run them; build is run first
    *("build", "fit-lut", "bench", "synth", "train", "sweep"),
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The sources as git has them, and a `.venv` that is the one at hand, stamped as new."""
    tree = tmp_path / "hwsim"
    skipped = shutil.ignore_patterns("__pycache__", ".*", "build", "*.egg-info", "evidence")
    shutil.copytree(ROOT, tree, ignore=skipped)
    (tree / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if not part.name.startswith("."):
            (tree / ".venv" / part.name).symlink_to(part)
    for extra in ("codegen", "docs", "test"):
        (tree / f".venv/.{extra}").touch()
    np.savez(tree / "in.npz", x=np.random.default_rng(0).random((4, 28, 28)))
    (tree.parent / "empty").mkdir()
    return tree


def typed(tree: Path, line: str) -> str:
    """What a command line prints; its status must be 0, and it may write nothing into the home but caches."""
    home = tree.parent / "empty"
    path = f"{tree / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    env = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]}
    done = subprocess.run(["bash", "-ec", line], cwd=tree, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
    assert {p.name for p in home.iterdir()} <= {".cache"}
    return done.stdout


def test_make_installs_nothing_twice_and_says_what_it_runs(home: Path) -> None:
    for line in re.findall(r"^    (make \w+)", README, re.M):
        plan = typed(home, f"{line} --dry-run").splitlines()
        assert [p for p in plan if "pip install" in p] == []
    assert typed(home, "make demo --dry-run") == ".venv/bin/hwsim build -o build/\n"
    assert set(re.findall(r"^    make (\w+)", README, re.M)) == {"demo", "docs", "test"}


def test_the_readme_in_order(home: Path) -> None:
    """One test, so that one worker builds once."""
    said = " ".join(README.split())
    out = typed(home, "hwsim build mlp --samples 32 -o build/")
    assert "equal on 4 engines: numba, c, ort, onnx_reference" in out
    assert "writes `build/`: `model.qg`, C files, `model.onnx`, `report.json`, `report.html`" in said
    for name in ("model.qg", "mlp.c", "model.onnx", "report.json", "report.html"):
        assert (home / "build" / name).stat().st_size > 0
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    (home / "build/first.py").write_text(code)
    assert "onnx_reference" in typed(home, "python build/first.py")
    for line, word in TRIED.values():
        assert word in typed(home, line), line


def test_every_command_of_the_table_is_tried_or_tested_elsewhere() -> None:
    listed = set(re.findall(r"^\| `hwsim ([\w-]+)", README, re.M))
    assert listed <= set(TRIED) | ELSEWHERE


@pytest.mark.parametrize("line", ["false", "hwsim show absent.qg", "touch $HOME/left-behind"])
def test_what_goes_wrong_is_seen(home: Path, line: str) -> None:
    with pytest.raises(AssertionError):
        typed(home, line)
