"""What constraints.txt pins can be installed by whoever has the oldest Python that pyproject.toml promises."""

import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]


def test_pinned_versions_run_on_the_oldest_python():
    """Why not by installing them: whoever pins them has a later Python, where pip does not complain."""
    (oldest,) = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    seen, wrong = 0, []
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pinned = Requirement(line)
        try:
            found = metadata(pinned.name)
        except PackageNotFoundError:  # of another extra
            continue
        seen += 1
        wanted = SpecifierSet(found.get("Requires-Python") or "")
        if found["Version"] in pinned.specifier and f"{oldest.version}.0" not in wanted:
            wrong.append(f"{line}: Python {wanted}")
    assert seen > 50
    assert not wrong
