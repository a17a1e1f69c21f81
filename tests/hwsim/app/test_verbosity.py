"""``-v`` and ``-q``, before the command and behind it."""

from __future__ import annotations

import logging

import pytest

from hwsim.app import parsed
from hwsim.app.verbosity import LOG, heard, listening

VERIFY = ("--against", "numba", "--samples", 2)


@pytest.mark.parametrize("flag", ["-v", "--verbose", "-q", "--quiet"])
def test_before_the_command_and_behind_it(flag):
    for words in (
        [flag, "emit", "c", "m", "-o", "d"],
        ["emit", flag, "c", "m", "-o", "d"],
        ["emit", "c", flag, "m", "-o", "d"],
    ):
        args = parsed(words)
        assert (args.verbose, args.quiet) == ("v" in flag, "q" in flag)
    plain = parsed(["emit", "c", "m", "-o", "d"])
    assert (plain.verbose, plain.quiet) == (False, False)


def test_steps_are_lines_with_times(hwsim, graph_file):
    err = hwsim("verify", graph_file, *VERIFY, "-v").err.splitlines()
    assert [line.split(" ms  ")[1] for line in err] == ["numba release", "numba trace", "done"]
    assert all(line.split(" ms  ")[0].strip().isdigit() for line in err)


def test_quiet_says_nothing_and_plain_draws_a_bar(hwsim, graph_file):
    assert hwsim("verify", graph_file, *VERIFY, "-q").err == ""
    assert "2/2" in hwsim("verify", graph_file, *VERIFY).err


def test_the_cause_of_an_error(hwsim, tmp_path):
    plain, verbose = hwsim("show", tmp_path / "none.qg"), hwsim("-v", "show", tmp_path / "none.qg")
    assert plain.err == f"hwsim: {tmp_path}/none.qg: No such file or directory\n"
    assert "Traceback" in verbose.err
    assert verbose.err.endswith(plain.err)
    assert verbose.status == plain.status == 2


def test_nothing_stays(capsys):
    with listening(True):
        assert heard()
    with listening(False):
        assert not heard()
    assert LOG.handlers == []
    assert LOG.level == logging.NOTSET
