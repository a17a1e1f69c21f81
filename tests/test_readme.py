"""The README's Python runs as it stands, and its commands exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hwsim.app import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


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


def test_the_figures_are_the_recorded_ones() -> None:
    names = {"mlp": 0, "resnet8": 1, "ds-cnn": 2}
    rows = {
        cells[0]: cells[1:] for line in README.splitlines() if (cells := [c.strip() for c in line.split("|")][1:-1])
    }
    rules = {"mlp": "minmax", "resnet8": "minmax", "ds-cnn": "mse"}
    for name, column in names.items():
        found = json.loads((ROOT / f"docs/evidence/{name}.json").read_text())[name]
        assert rows["float"][column] == f"{100 * found['float_accuracy']:.2f}"
        (int8,) = [r for r in found["ptq"] if (r["contract"], r["observer"]) == ("dyadic16", rules[name])]
        assert rows["INT8, calibrated"][column] == f"{100 * int8['accuracy']:.2f} ({100 * int8['same']:.2f})"
        for r in found["qat_summary"]:
            title = f"{r['weights'].upper()} weights, {r['activations'].upper()} activations, LSQ"
            assert r["seeds"] == 3
            assert rows[title][column] == f"{100 * r['mean']:.2f} ({100 * r['spread']:.2f})"


def test_links_lead_somewhere() -> None:
    assert [t for t in re.findall(r"\]\(([^)#:]+)\)", README) if not (ROOT / t).exists()] == []
