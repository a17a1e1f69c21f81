"""Weights of a shipped front graph back in the torch module that they came from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from algos.frameworks import nn, torch
from hwsim.front import load_front

Model = TypeVar("Model", bound=nn.Module)


def load_weights(model: Model, path: Path, renamed: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Model:
    """`model` in eval mode with the parameters and buffers stored in the front graph at `path`, all of them.

    `renamed` turns the front graph's names and arrays into the model's, where export has made others of them.
    """
    stored = {name: torch.from_numpy(x) for name, x in renamed(load_front(path).params).items()}
    counters = {name: x for name, x in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict({**counters, **stored})
    return model.eval()
