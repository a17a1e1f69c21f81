"""A graph file, samples for it, and a run of the command that returns status, stdout and stderr."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from hwsim import save
from hwsim.app import main

from ..reports.networks import lowered, samples, small_front


class Run(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def hwsim(capsys) -> Callable[..., Run]:
    def run(*words: object) -> Run:
        status = main([str(w) for w in words])
        captured = capsys.readouterr()
        return Run(status, captured.out, captured.err)

    return run


@pytest.fixture
def refused(hwsim) -> Callable[..., str]:
    """Run a command that must fail with status 2 and one line on stderr; the line."""

    def run(*words: object) -> str:
        status, out, err = hwsim(*words)
        lines = [line for line in err.splitlines() if line.strip() and "/" + "\r" not in line]
        assert status == 2
        assert out == ""
        assert lines[-1].startswith("hwsim: ")
        assert "Traceback" not in err
        return lines[-1]

    return run


@pytest.fixture(scope="session")
def graph_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "small.qg"
    save(lowered(small_front()), path)
    return path


@pytest.fixture
def inputs_file(tmp_path) -> Path:
    path = tmp_path / "inputs.npz"
    np.savez(path, **samples(20))
    return path


@pytest.fixture
def blocked(tmp_path) -> Path:
    """A path nobody can write, root included: its parent is a file."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "out"
