"""Every notebook runs from top to bottom, and what it shows is what it has stored."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import nbformat
import pytest

NEEDS = {"08_area_and_power": ("iverilog", "yosys")}  # commands without which a notebook cannot run
NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """Text outputs, tables and drawings; versions, times and addresses may differ."""
    outputs = [c.get("outputs", []) for c in notebook.cells if c.cell_type == "code"]
    texts = [
        "".join(o.get("text", "") + told(o.get("data", {}).get("text/html", "")) for o in some) for some in outputs
    ]
    return [re.sub(r"\d+\.\d+\.\d+|\d{6,}\.py|0x[0-9a-f]+|\d+(\.\d+)? ?m?s\b", "_", t) for t in texts]


def told(html: str) -> str:
    """The words of a piece of HTML: how it looks may change."""
    return re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs_as_stored(path: Path) -> None:
    from nbclient import NotebookClient

    if missing := [c for c in NEEDS.get(path.stem, ()) if not shutil.which(c)]:
        pytest.skip(f"left out: {path.stem} needs {', '.join(missing)} (make deps-hw)")
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jupyter's own deprecations are not ours
        NotebookClient(
            fresh, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}}
        ).execute()
    assert shown(fresh) == shown(stored)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_shows_pictures(path: Path) -> None:
    data = [o.get("data", {}) for c in nbformat.read(path, as_version=4).cells for o in c.get("outputs", [])]
    assert any("image/png" in d or "image/svg+xml" in d or "<svg" in d.get("text/html", "") for d in data)


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS
    assert all(re.match(r"\d\d_", p.name) for p in NOTEBOOKS)
