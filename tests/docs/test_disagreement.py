"""The page about engines that disagree is what its script writes, and it shows what it is about."""

from __future__ import annotations

import numpy as np
import pytest

from tests import disagreement


def test_the_page_is_what_the_script_writes() -> None:
    text = disagreement.PAGE.read_text()
    assert set(disagreement.PARTS) == {m[2] for m in disagreement.PLACE.finditer(text)}
    assert disagreement.page(text) == text, "run python -m tests.disagreement"


def test_every_engine_has_one_contract_that_is_its_own() -> None:
    rows = [row.split("|")[1:-1] for row in disagreement.contracts()[2:]]
    assert len(rows) == 5
    assert all(sum("**0**" in cell for cell in row) == 1 for row in rows), rows


@pytest.mark.parametrize(
    ("acc", "ratio", "text"),
    [
        (3, 0.5, "1.5, a tie"),
        (-1, 0.5, "-0.5, a tie"),
        (3, 0.5000001, "1.5 + 3.0e-07"),
        (3, 0.4999999, "1.5 - 3.0e-07"),
    ],
)
def test_the_side_of_a_tie_is_seen(acc: int, ratio: float, text: str) -> None:
    assert disagreement.exact(acc, ratio) == text


def test_a_wrong_code_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = disagreement.codes
    monkeypatch.setattr(disagreement, "codes", lambda name: {**right(name), "TFLM": right(name)["TFLM"] ^ np.int8(1)})
    text = disagreement.PAGE.read_text()
    assert disagreement.page(text) != text
