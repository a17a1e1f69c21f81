"""From any string to a safe, unique C identifier. Nothing else of a name ever reaches generated text.

Why: names come from model files. A name may hold quotes, newlines, ``*/``, unicode or 10 kB of text; an identifier of
at most 40 ASCII letters, digits and underscores cannot inject anything, and a number keeps it unique.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# C99 and C++20 keywords, the types of <stdint.h>, and names that the templates use themselves.
WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while asm typeof
alignas alignof and and_eq bitand bitor bool catch char16_t char32_t char8_t class co_await co_return co_yield compl
concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export false friend mutable
namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast requires
static_assert static_cast template this thread_local throw true try typeid typename using virtual wchar_t xor xor_eq
int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t main trace linux unix i386 errno NULL
"""
RESERVED = frozenset(WORDS.split())
LONGEST = 40


def identifiers(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """An identifier for each name, unique among themselves and against `taken`, also where case is ignored."""
    used = {t.lower() for t in taken} | {r.lower() for r in RESERVED}
    result = []
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9]+", "_", name[: 4 * LONGEST], flags=re.ASCII).strip("_")[:LONGEST] or "value"
        stem = stem if stem[0].isalpha() and not stem.lower().startswith("hw_") else f"v_{stem}"
        candidate, n = stem, 1
        while candidate.lower() in used:
            n += 1
            candidate = f"{stem}_{n}"
        used.add(candidate.lower())
        result.append(candidate)
    return result


def identifier(name: str) -> str:
    """One name as an identifier."""
    return identifiers([name])[0]
