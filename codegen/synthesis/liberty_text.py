"""The text of a Liberty file as nested groups: ``kind (arguments) { attribute : value; attribute (values); group }``.

Why our own reader: the one on PyPI, ``liberty-parser``, is under the GPL, so it only serves the tests as an oracle.

Source: Liberty User Guide, version 2017.06, chapter 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

_TOKEN = re.compile(r'\s+|\\|/\*.*?\*/|//[^\n]*|"((?:[^"\\]|\\.)*)"|([{}():;,])|([^\s{}():;,"\\]+)', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group.

    Args:
        kind: ``library``, ``cell``, ``pin``, ...
        arguments: what stands in its parentheses.
        attributes: simple attributes by name, without quotes.
        lists: complex attributes by name, such as ``values``.
        groups: groups inside, in the order of the file.
    """

    kind: str
    arguments: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The first argument, or nothing."""
        return self.arguments[0] if self.arguments else ""

    def inside(self, *kinds: str) -> Iterator[Group]:
        """Groups of these kinds directly inside."""
        return (g for g in self.groups if g.kind in kinds)


@dataclass(frozen=True)
class _Token:
    text: str
    start: int
    quoted: bool
    first: bool  # of its line: some files leave out the semicolon there


def parse_liberty(text: str, source: str) -> Group:
    """The one library of a file.

    Args:
        text: the file.
        source: how errors name it.

    Raises:
        ValueError: no Liberty; file, line and what was expected, in one line.
    """
    reader = _Reader(text, source)
    group = reader.statement(None)
    if group is None or group.kind != "library":
        raise ValueError(f"{source}, line 1: expected library (NAME) {{ ...")
    if reader.here < len(reader.tokens):
        raise reader.error("nothing after the library")
    return group


def without_cells(text: str, patterns: tuple[str, ...]) -> str:
    """The text without cells whose names match a pattern such as ``CLKBUF*``: no tool can take what is not there."""
    kept, start = [], 0
    for begin, end, name in _cells(text):
        if any(fnmatchcase(name, p) for p in patterns):
            kept.append(text[start:begin])
            start = end
    return "".join([*kept, text[start:]])


def _cells(text: str) -> Iterator[tuple[int, int, str]]:
    brace = re.compile(r'/\*.*?\*/|"(?:[^"\\]|\\.)*"|[{}]', re.DOTALL)
    for found in re.finditer(r'^[ \t]*cell\s*\(\s*"?([\w$]+)"?\s*\)\s*\{', text, re.MULTILINE):
        depth, end = 1, found.end()
        while depth and (b := brace.search(text, end)):
            depth += {"{": 1, "}": -1}.get(b.group(), 0)
            end = b.end()
        yield found.start(), end, found.group(1)


class _Reader:
    """Recursive descent over all tokens."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source, self.here = text, source, 0
        self.tokens = list(self._scan())

    def _scan(self) -> Iterator[_Token]:
        at, end = 0, 0
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise ValueError(f"{self.source}, line {self._line(at)}: a string that does not end")
            quoted, mark, word = found.groups()
            if found.lastindex:
                spelled = next(t for t in (quoted, mark, word) if t is not None)
                spelled = re.sub(r"\\\s*\n", " ", spelled)  # a string may go on in the next line
                yield _Token(spelled, at, quoted is not None, "\n" in self.text[end:at])
                end = found.end()
            at = found.end()

    def _line(self, at: int) -> int:
        return self.text.count("\n", 0, at) + 1

    def error(self, expected: str) -> ValueError:
        """What was expected where we are."""
        if self.here < len(self.tokens):
            token = self.tokens[self.here]
            return ValueError(
                f"{self.source}, line {self._line(token.start)}: expected {expected}, found {token.text[:40]!r}"
            )
        return ValueError(f"{self.source}, line {self._line(len(self.text))}: expected {expected}, found the end")

    def sees(self, mark: str) -> bool:
        """Whether the next token is this mark."""
        if self.here >= len(self.tokens):
            return False
        token = self.tokens[self.here]
        return not token.quoted and token.text == mark

    def take(self, mark: str) -> bool:
        """Step over this mark if it is next."""
        seen = self.sees(mark)
        self.here += seen
        return seen

    def statement(self, parent: Group | None) -> Group | None:
        """One attribute, kept in `parent`, or one group, which is returned."""
        name = self.word("a name")
        if parent is not None and self.take(":"):
            parent.attributes[name] = self.value()
            return None
        if not self.take("("):
            raise self.error(f"':' or '(' after {name}")
        arguments = self.arguments()
        if not self.take("{"):
            self.take(";")
            if parent is not None:
                parent.lists[name] = arguments
            return None
        group = Group(kind=name, arguments=arguments)
        while not self.take("}"):
            if (inner := self.statement(group)) is not None:
                group.groups.append(inner)
        self.take(";")
        return group

    def word(self, expected: str) -> str:
        """A word or a string."""
        if self.here < len(self.tokens):
            token = self.tokens[self.here]
            if token.quoted or token.text not in "{}():;,":
                self.here += 1
                return token.text
        raise self.error(expected)

    def arguments(self) -> tuple[str, ...]:
        """Up to the closing parenthesis; commas and colons may part them."""
        found = []
        while not self.take(")"):
            if not (self.take(",") or self.take(":")):
                found.append(self.word("')'"))
        return tuple(found)

    def value(self) -> str:
        """Up to the semicolon or the end of the line."""
        found = [self.word("a value")]
        while not self.take(";"):
            if self.here >= len(self.tokens) or self.tokens[self.here].first or self.sees("}"):
                break
            token = self.tokens[self.here]
            if not token.quoted and token.text in "{:":
                raise self.error("';'")
            found.append(token.text)
            self.here += 1
        return " ".join(found)
