"""Where results go: checked before the long work, written whole or not at all."""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def place(text: str) -> Path:
    """An output path from the command line. Why: an empty one, from an unset variable, would be this very folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a place to write to")
    return Path(text)


def check_folder(folder: Path, names: Iterable[str] = ()) -> None:
    """Raise ValueError or OSError unless `folder` can be made and written and no folder is where a file shall go."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file; the output must be a folder")
    for name in names:
        check_replaceable(folder / name)
    check_writable(folder)


def check_file(path: Path) -> None:
    """The same for a single output file, whose folder must exist."""
    check_replaceable(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: is no folder, so {path.name!r} cannot be written there")
    check_writable(path.parent)


def check_replaceable(path: Path) -> None:
    """Raise ValueError where something stands that a file must not replace. Why: a rename onto /dev/null works."""
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; a file is to be written there")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is a device or a pipe; a regular file is to be written there")


def check_writable(folder: Path) -> None:
    """Raise OSError, naming the folder, unless a file can be made in `folder` or in what of it exists."""
    existing = next((p for p in (folder, *folder.absolute().parents) if p.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as e:
        raise ValueError(f"{existing}: cannot be written: {e.strerror}") from None


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all files beside their places first, then rename them: a full disk leaves the old ones as they were."""
    check_folder(folder, files)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".hwsim-") as stage:
        for name, data in files.items():
            (Path(stage) / name).write_bytes(data)
        for name in files:
            os.replace(Path(stage) / name, folder / name)
