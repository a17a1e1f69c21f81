"""Results: sections of the README, which tests hold equal to `docs/evidence`; the list of notebooks."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTIONS = ("How accurate", "How fast, how large", "What it costs in hardware")


def sections() -> str:
    """The README's measured sections as they stand; links are seen from this folder."""
    parts = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.M)
    found = {title: body for title, _, body in (p.partition("\n") for p in parts)}
    text = "\n".join(f"## {title}\n{found[title]}" for title in SECTIONS)
    text = re.sub(r"\[([^]]+)\]\(docs/evidence\)", r"`\1`", text)
    return re.sub(r"\]\(docs/", "](", text)


def notebooks() -> str:
    """The first cell of each: its title, and what it says below."""
    parts = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        title, _, rest = "".join(json.loads(path.read_text())["cells"][0]["source"]).partition("\n")
        parts += [f"#{title}", f"{{download}}`{path.name} <../notebooks/{path.name}>`", rest.strip()]
    return "\n\n".join(parts)
