"""Everything of an outside model that cannot be read, in one error: position, type, reason, what to do instead."""

from __future__ import annotations

from collections.abc import Sequence


class Unsupported(ValueError):  # noqa: N818
    """One line a problem.

    Args:
        source: the file or model, in words.
        problems: each as `problem` writes it.
    """

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        """Join them."""
        self.problems = tuple(problems)
        count = "1 part" if len(problems) == 1 else f"{len(problems)} parts"
        super().__init__(f"{source}: {count} not supported: " + "; ".join(problems))


def problem(where: str, reason: str, instead: str = "") -> str:
    """``node 3 Loop 'l': reason; what to do``."""
    return f"{where}: {reason}" + (f" ({instead})" if instead else "")
