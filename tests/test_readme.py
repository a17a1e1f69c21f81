"""The README's Python runs as it stands, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from hwsim.app import main

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_quick_start_runs(capsys) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 16
    exec(compile(code, "README.md", "exec"), {})
    assert "onnx_reference" in capsys.readouterr().out


def test_every_command_is_described(capsys) -> None:
    described = set(re.findall(r"^\| `hwsim (\w+)", README, re.M))
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.split("COMMAND\n")[1].split("options:")[0]
    assert described == set(re.findall(r"^    (\w+)  ", listed, re.M))


def test_links_lead_somewhere() -> None:
    root = Path(__file__).parents[1]
    assert [t for t in re.findall(r"\]\(([^)#:]+)\)", README) if not (root / t).exists()] == []
