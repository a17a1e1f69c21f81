"""Boolean functions of Liberty cells, 64 lanes a word: ``!A``, ``A'``, ``A&B``, ``A*B``, ``A B``, ``A^B``, ``A|B``.

Inversion binds first, then exclusive or, then and, then or.

Source: Liberty Reference Manual, version 2017.06, ``function``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_TOKEN = re.compile(r"\s*([A-Za-z_][\w\[\]]*|[01!'^*&+|()])")


@dataclass(frozen=True)
class Function:
    """A function in postfix form.

    Args:
        text: as the file has it.
        postfix: names, ``0``, ``1``, ``!``, ``^``, ``&`` and ``|``.
    """

    text: str
    postfix: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What it reads, in order."""
        return tuple(dict.fromkeys(p for p in self.postfix if p not in ("0", "1", "!", "^", "&", "|")))

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The result of uint64 words, all of one shape; a constant is one word."""
        stack: list[Any] = []
        for p in self.postfix:
            if p == "!":
                stack.append(~stack.pop())
            elif p in ("^", "&", "|"):
                b, a = stack.pop(), stack.pop()
                stack.append(a ^ b if p == "^" else a & b if p == "&" else a | b)
            else:
                stack.append(ONES if p == "1" else np.uint64(0) if p == "0" else values[p])
        return stack[0]

    def table(self) -> tuple[bool, ...]:
        """The truth table over `names`, the first name changing slowest."""
        rows = product((np.uint64(0), ONES), repeat=len(self.names))
        return tuple(bool(self(dict(zip(self.names, row, strict=True)))) for row in rows)


@cache
def parse_function(text: str) -> Function:
    """The function that a Liberty file writes; ValueError names the text and what is wrong in it."""
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"function {text!r}: cannot read {text[at:].strip()[:20]!r}")
        tokens.append(found.group(1))
        at = found.end()
    rest = list(reversed(tokens))
    postfix = tuple(_either(rest, text))
    if rest:
        raise ValueError(f"function {text!r}: {rest[-1]!r} has no place")
    return Function(text, postfix)


def _either(rest: list[str], text: str) -> list[str]:
    found = _both(rest, text)
    while rest and rest[-1] in "+|":
        rest.pop()
        found += [*_both(rest, text), "|"]
    return found


def _both(rest: list[str], text: str) -> list[str]:
    found = _exclusive(rest, text)
    while rest and rest[-1] not in "+|)^'":
        if rest[-1] in "*&":
            rest.pop()
        found += [*_exclusive(rest, text), "&"]
    return found


def _exclusive(rest: list[str], text: str) -> list[str]:
    found = _inverted(rest, text)
    while rest and rest[-1] == "^":
        rest.pop()
        found += [*_inverted(rest, text), "^"]
    return found


def _inverted(rest: list[str], text: str) -> list[str]:
    token = rest.pop() if rest else "the end"
    if token == "!":
        return [*_inverted(rest, text), "!"]
    if token == "(":
        found = _either(rest, text)
        if not rest or rest.pop() != ")":
            raise ValueError(f"function {text!r}: a parenthesis is not closed")
    elif token in "'^*&+|)" or token == "the end":
        raise ValueError(f"function {text!r}: expected a pin, found {token!r}")
    else:
        found = [token]
    while rest and rest[-1] == "'":
        rest.pop()
        found.append("!")
    return found
