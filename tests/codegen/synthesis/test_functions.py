"""Boolean functions against Python's own operators."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.synthesis.functions import ONES, parse_function

PINS = "ABCD"


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("!(A&B)", "not (a and b)"),
        ("A' B + C", "(not a and b) or c"),
        ("A ^ B & C", "(a != b) and c"),
        ("A | B ^ C", "a or (b != c)"),
        ("(A B)'", "not (a and b)"),
        ("A''", "a"),
        ("!A !B", "not a and not b"),
        ("(S*B)+(!S*A)", "b if s else a"),
        ("A & 1 | 0", "a"),
    ],
)
def test_functions_mean_what_the_manual_says(text: str, python: str) -> None:
    f = parse_function(text)
    for code in range(1 << len(f.names)):
        bits = {n: bool(code >> i & 1) for i, n in enumerate(f.names)}
        word = f({n: ONES if b else np.uint64(0) for n, b in bits.items()})
        assert word == (ONES if eval(python, {n.lower(): b for n, b in bits.items()}) else 0)


def expressions() -> st.SearchStrategy[str]:
    def more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        both = st.tuples(inner, st.sampled_from(["&", "|", "^"]), inner).map(lambda t: f"({t[0]}{t[1]}{t[2]})")
        return both | inner.map(lambda t: f"(!{t})")

    return st.recursive(st.sampled_from(list(PINS)), more, max_leaves=12)


@given(expressions(), st.integers(0, 15))
def test_random_functions_equal_python(text: str, code: int) -> None:
    bits = {n: code >> i & 1 for i, n in enumerate(PINS)}
    expected = eval(re.sub("!", "1^", text), dict(bits))
    assert (
        parse_function(text)({n: np.array([ONES * np.uint64(b)]) for n, b in bits.items()})[0] & np.uint64(1)
        == expected
    )


def test_a_truth_table_counts_up_from_all_zeros() -> None:
    assert parse_function("!(A&B)").table() == (True, True, True, False)
    assert parse_function("A&!B").table() == (False, False, True, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A &", "expected a pin, found 'the end'"),
        ("(A|B", "parenthesis is not closed"),
        ("A)", "')' has no place"),
        ("A # B", "cannot read '# B'"),
        ("", "expected a pin"),
        ("&A", "expected a pin, found '&'"),
    ],
)
def test_nonsense_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_function(text)
