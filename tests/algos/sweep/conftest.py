"""A small model and a space of its designs; some of them are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from algos import Prepared
from algos.sweep import Swept, sweep
from hwsim import Recipe
from tests.hwsim.reports.networks import samples, small_front

CHOICES: dict[str, Any] = {
    "weights": ["int8", "int4"],
    "accumulator": ["proven", "int16:saturate", "int6:saturate"],
    "hardware": ["edge-int8", "edge-int4"],
}
LABELS = np.arange(40) % 3


@pytest.fixture
def small():
    """A sweep of the small model; what is given replaces the defaults."""

    def run(space: Any = None, **settings: Any) -> Swept:
        given = {"labels": LABELS, **settings}
        return sweep(
            Prepared(front=small_front(), recipe=Recipe()), samples(), data(), space or {"choices": CHOICES}, **given
        )

    return run


def data() -> dict[str, Any]:
    return {"x": samples(60)["x"][:40]}


def text(swept: Swept) -> str:
    """All that must not depend on where and in which order points ran."""
    made = swept.to_json()
    return json.dumps({k: v for k, v in made.items() if not k.endswith("_seconds")})
