"""How many instructions an inference takes, function by function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwsim.formats import Codes

from .elf import Elf

# The driver and what stands for an operating system; everything else belongs to the model.
HOST = {"main", "show", "fread", "fwrite", "opened", "moved"}
HOST |= {"hw_host", "hw_reset", "hw_trap", "hw_fault", "hw_begin", "hw_end"}


@dataclass(frozen=True)
class Counts:
    """Exact counts of one run.

    Args:
        samples: inferences that ran.
        by_function: instructions of all samples, by the function's symbol; what is inlined counts for its caller.
    """

    samples: int
    by_function: Mapping[str, int]

    @property
    def total(self) -> int:
        """Instructions of all samples."""
        return sum(self.by_function.values())

    @property
    def per_sample(self) -> int:
        """Instructions of one inference, the mean rounded: branches may depend on codes."""
        return round(self.total / self.samples)

    def __str__(self) -> str:
        """A line a function, the largest first."""
        rows = sorted(self.by_function.items(), key=lambda r: -r[1])
        lines = [f"{n / self.samples:14.1f} {100 * n / self.total:5.1f} %  {name}" for name, n in rows]
        return "\n".join([f"{self.total / self.samples:14.1f} instructions an inference", *lines])


def counts_of(elf: Elf, rows: Codes, samples: int) -> Counts:
    """Rows (address, count) as counts by function; an address belongs to the function that starts last before it."""
    functions = elf.functions()
    starts = np.array([f.address for f in functions])
    owner = np.searchsorted(starts, rows[:, 0], side="right") - 1
    sums = np.bincount(owner[owner >= 0], rows[owner >= 0, 1], len(functions)) if len(rows) else np.zeros(0)
    found = {f.name: int(n) for f, n in zip(functions, sums, strict=True) if n and f.name not in HOST}
    return Counts(samples, found)
