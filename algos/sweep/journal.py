"""Results on disk as they come: one JSON line a point, each synced before the next; the first line names the sweep.

A process that is killed leaves at most one torn line, the last; it is cut off when the sweep goes on.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any

from .bench import Row
from .space import At

NAME = "points.jsonl"


class Journal:
    """Rows of one sweep by point; `folder` None keeps them in memory alone."""

    def __init__(self, folder: Path | None, digest: str, about: dict[str, Any]) -> None:
        """Open or begin; ValueError for another sweep's folder, damaged lines, or a sweep that is still running."""
        self.rows: dict[At, Row] = {}
        self.cpu_seconds = 0.0
        self.digest = digest
        self.file: IO[bytes] | None = None
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self.file = self.path.open("a+b")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise ValueError(f"{self.path}: another process is writing it; wait, or give another folder") from None
        try:
            self._read(about)
        except BaseException:
            self.file.close()
            raise

    def _read(self, about: dict[str, Any]) -> None:
        assert self.file is not None
        self.file.seek(0)
        data = self.file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self.file.truncate(whole)
        lines = data[:whole].splitlines()
        if not lines:
            self._write({"sweep": self.digest, **about})
            _sync_folder(self.path.parent)
            return
        entries = [self._entry(i, line) for i, line in enumerate(lines, 1)]
        if entries[0].get("sweep") != self.digest:
            raise ValueError(f"{self.path}: holds a sweep of another space, model or data; give another folder")
        for i, e in enumerate(entries[1:], 2):
            if not {"at", "row", "cpu"} <= set(e):
                raise ValueError(f"{self.path}: line {i} is no result; remove it")
            self._take(tuple(e["at"]), e["row"], e["cpu"])

    def _entry(self, i: int, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise ValueError(f"{self.path}: line {i} is damaged; remove it, its point is measured again")
        return entry

    def _take(self, at: At, row: Row, cpu: float) -> None:
        self.rows[at] = row
        self.cpu_seconds += cpu

    def add(self, at: At, row: Row, cpu: float) -> None:
        """One more result, on disk when this returns."""
        if at not in self.rows:
            self._take(at, row, cpu)
            self._write({"at": at, "row": row, "cpu": round(cpu, 3)})

    def _write(self, entry: dict[str, Any]) -> None:
        if self.file is not None:
            self.file.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
            self.file.flush()
            os.fsync(self.file.fileno())

    def close(self) -> None:
        """Let others have it."""
        if self.file is not None:
            self.file.close()


def _sync_folder(folder: Path) -> None:
    """The file's name on disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
