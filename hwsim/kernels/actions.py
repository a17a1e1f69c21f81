"""What is done for a slice of samples: programs of the machine, and calls of functions, in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..rounding import Ints
from . import machine
from .native import Native

RUN = Native(machine.run_all, "void(int64[:, ::1])")
Act = Callable[[], object]


class Actions:
    """Each is done when it is added, unless it is said to have been, and again by each of `ready`.

    Why programs are kept and not calls: those that follow each other are one call, which no other thread waits for.
    """

    def __init__(self) -> None:
        self._done: list[Ints | Act] = []
        self._keep: list[Any] = []

    def program(self, code: Ints, rows: int = 1, block: int = 1, group: int = 0, *, keep: Any = None) -> None:
        """Run `code`; `keep` is what it points at."""
        self._keep += [code, keep]
        program = np.array([[code.ctypes.data, len(code), rows, block, group]])
        RUN(program)
        self._done.append(program)

    def once(self, *instruction: int, keep: Any = None) -> Ints:
        """Run one instruction that is about all samples; its fields may be changed later."""
        code = np.array([[*instruction, *[0] * (machine.FIELDS - len(instruction))]])
        self.program(code, keep=keep)
        return code.reshape(-1)

    def call(self, act: Act) -> None:
        """Call a function."""
        act()
        self.called(act)

    def called(self, act: Act) -> None:
        """The same for what has just been done."""
        self._done.append(act)

    def ready(self) -> list[Act]:
        """All of it, in as few calls as there can be."""
        calls: list[Act] = []
        programs: list[Ints] = []
        for done in (*self._done, None):
            if isinstance(done, np.ndarray):
                programs.append(done)
                continue
            calls += [RUN.ready(np.concatenate(programs))] if programs else []
            calls += [done] if done else []
            programs.clear()
        return calls
