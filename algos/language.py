"""English text as tokens of SmolLM2, from files that Python packages bring; nothing is downloaded here.

The text is 5,190 snippets of editorials of the New York Times, in the source distribution of vaderSentiment, joined to
one stream a split; the tokenizer is the one inside SmolLM2's GGUF file.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .models.smollm2 import read_gguf
from .text import snippets

EDITORIALS = "nytEditorialSnippets_GroundTruth.txt"
SPLITS = {"held-out": (0, 2600), "calibration": (2600, 5190)}
"""Snippets of a split, in the file's order; figures are of ``held-out``, which has settled nothing."""
SPECIAL = 17  # the first tokens of the vocabulary: <|im_start|> and the like


def tokens(split: str, count: int, length: int) -> NDArray[np.int64]:
    """The first `count` runs of `length` tokens of a split, one after the other, shape (count, length).

    Raises:
        ValueError: unknown split, text or tokenizer not installed, or less text than that.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown: use one of {', '.join(SPLITS)}")
    ids = stream(split)
    if count * length > len(ids):
        raise ValueError(f"split {split!r} has {len(ids)} tokens, fewer than {count} runs of {length}; ask for less")
    return ids[: count * length].reshape(count, length).copy()


@functools.cache
def stream(split: str) -> NDArray[np.int64]:
    """All tokens of a split."""
    start, stop = SPLITS[split]
    return np.array(tokenizer().encode(" ".join(snippets(EDITORIALS)[start:stop])).ids, np.int64)


@functools.cache
def tokenizer() -> Any:
    """Byte-level BPE with the vocabulary and merges of SmolLM2; ValueError where a package is not installed."""
    fields = read_gguf().fields
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    except ModuleNotFoundError:
        raise ValueError("the tokenizer is not there: pip install --no-deps tokenizers") from None
    words = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(words[:SPECIAL])
    return made
