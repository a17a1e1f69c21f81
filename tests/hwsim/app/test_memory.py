"""`hwsim memory`: text, picture, JSON, targets, TFLM beside it, and what it refuses."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from importlib.util import find_spec
from pathlib import Path

import pytest

from hwsim import save
from hwsim.reports.memory import memory_entry

from ..reports.networks import HOSTILE, lowered, small_front


def test_text_and_picture(hwsim, graph_file, tmp_path):
    status, out, err = hwsim("memory", graph_file, "--svg", tmp_path / "m.svg")
    assert (status, err) == (0, "")
    assert "code    " in out
    assert "no plan needs less" in out
    assert "caller's" in out
    assert ET.parse(tmp_path / "m.svg").getroot().tag.endswith("svg")


def test_json_of_a_target(hwsim, graph_file):
    from codegen.memory_map import memory_map

    document = json.loads(hwsim("memory", graph_file, "--json", "--no-code", "--target", "cortex-m3").out)
    assert document.pop("code") is None
    plan = memory_entry(memory_map(lowered(small_front()), "cortex-m3"))
    assert document["arena"] == plan["arena"]
    assert document == json.loads(json.dumps(plan))


def test_every_target(hwsim, graph_file):
    from codegen.targets import TARGETS

    lines = hwsim("memory", graph_file, "--target", "all", "--no-code").out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == [t.name for t in TARGETS]
    assert "not compiled" in lines[2]
    rows = json.loads(hwsim("memory", graph_file, "--target", "all", "--no-code", "--json").out)
    assert [r["target"] for r in rows] == [t.name for t in TARGETS]


def test_hostile_names(hwsim, tmp_path):
    save(lowered(small_front(HOSTILE, HOSTILE)), tmp_path / "h.qg")
    status, out, _ = hwsim("memory", tmp_path / "h.qg", "--no-code", "--svg", tmp_path / "h.svg")
    assert status == 0
    assert "\x1b" not in out
    assert "<script" not in (tmp_path / "h.svg").read_text()


def test_refused(hwsim, graph_file, tmp_path):
    assert "give one" in hwsim("memory", graph_file, graph_file).err
    assert "leave out --svg" in hwsim("memory", graph_file, "--against", "tflm", "--svg", tmp_path / "a.svg").err
    assert "TFLM runs .tflite files alone" in hwsim("memory", graph_file, "--against", "tflm").err
    assert "unknown" in hwsim("memory", graph_file, "--target", "pdp11").err
    assert "is a folder" in hwsim("memory", graph_file, "--svg", tmp_path).err


@pytest.mark.parametrize("target", ["generic", "cortex-m4"])
def test_no_more_memory_than_tflm(hwsim, target):
    """Wake words: arenas and ports together are less than TFLM's arena, arenas alone less than its tensors."""
    spec = find_spec("pymicro_wakeword")
    if not spec:
        pytest.skip("pymicro-wakeword is not installed; make test installs it")
    files = sorted(Path(spec.origin).with_name("models").glob("*.tflite"))
    assert len(files) >= 4
    rows = json.loads(hwsim("memory", *files, "--against", "tflm", "--target", target, "--json").out)
    for row in rows:
        assert row["arena"] + row["io"] < row["total"] == row["head"] + row["tail"]
        assert row["arena"] < row["head"]
    table = hwsim("memory", *files, "--against", "tflm").out
    assert all(row["name"] in table for row in rows)
