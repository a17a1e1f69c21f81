"""What one run of an engine hands back."""

from __future__ import annotations

from typing import NamedTuple

from hwsim.formats import Codes


class Ran(NamedTuple):
    """One configuration of an engine: what exactly ran, values by name, instructions an inference where counted."""

    tool: str
    values: dict[str, Codes]
    instructions: int | None = None
