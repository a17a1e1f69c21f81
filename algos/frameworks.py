"""torch, or one line that says how to get it. Whatever in algos computes with torch imports it from here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

try:
    import torch
    from torch import nn
except ModuleNotFoundError as e:
    if e.name != "torch":
        raise
    raise ModuleNotFoundError("algos needs torch: pip install 'hwsim[algos]'", name="torch") from None

__all__ = ["eval_mode", "nn", "one_thread", "torch"]


@contextlib.contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """`model` in eval mode; every module gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: sums are then taken in one order, and the same seed gives the same numbers."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)
