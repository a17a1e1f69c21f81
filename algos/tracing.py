"""nn.Module -> torch.export program with a symbolic batch axis, and the way from its nodes back to the user's lines."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import torch_multihead
from .frameworks import eval_mode, nn, torch

TORCH = (str(Path(torch.__file__).parent), "torch/", "<eval_with_key>", torch_multihead.__file__)
PYTHON = sysconfig.get_paths()["stdlib"]
FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def trace(model: nn.Module, example: Any) -> torch.export.ExportedProgram:
    """The functional, undecomposed program of `model` in eval mode, with the batch as symbolic axis 0.

    Args:
        model: any module; its training / eval mode is left as it was.
        example: a tensor or array of shape (samples >= 1, ...), a tuple of them (positional arguments of ``forward``)
            or a dict (keyword arguments).

    Raises:
        ValueError: one line: the example has no common batch axis, or torch cannot export the model, with torch's
            reason and the user's line where it is known.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is a {type(model).__name__}: give a torch.nn.Module")
    args, kwargs = samples(example)
    named = bound(model, args, kwargs)
    kwargs = {name: kwargs[name] for name in named if name in kwargs} | kwargs  # in forward's order
    axes = batch_axes(named, torch.export.Dim("N"))
    try:
        with quiet(), eval_mode(model), torch_multihead.batch_first(model):
            program = torch.export.export(model, args, kwargs, dynamic_shapes=axes, strict=False)
            return program.run_decompositions({})  # Why {}: full decomposition loses what linear, gelu, softmax mean
    except Exception as e:  # whatever the user's forward raises comes through torch.export
        raise ValueError(f"torch cannot export {type(model).__name__}{raised_at(e)}: {reason(e)}") from e


def samples(example: Any) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """Positional and keyword arguments with at least two samples each.

    Why copies: torch.export takes one tensor given twice for one input, and makes a batch of 1 a constant.
    """
    if isinstance(example, torch.Tensor | np.ndarray):
        example = (example,)
    if not isinstance(example, tuple | list | Mapping) or not example:
        raise ValueError(f"example is a {type(example).__name__}: give a tensor, a tuple of tensors or a dict of them")
    named = dict(example) if isinstance(example, Mapping) else {f"[{i}]": x for i, x in enumerate(example)}
    tensors = {name: as_tensor(name, x) for name, x in named.items()}
    sizes = {name: len(t) for name, t in tensors.items()}
    if len(set(sizes.values())) > 1 or 0 in sizes.values():
        raise ValueError(f"example: axis 0 is the batch and must be equal and >= 1 in all inputs, got {sizes}")
    tensors = {name: torch.cat([t, t]) if len(t) == 1 else t.clone() for name, t in tensors.items()}
    return ((), tensors) if isinstance(example, Mapping) else (tuple(tensors.values()), {})


def as_tensor(name: str, x: Any) -> torch.Tensor:
    """`x` as a tensor with a batch axis; float64 arrays become float32, numpy's default becoming torch's."""
    if isinstance(x, np.ndarray):
        x = torch.from_numpy(x.astype(np.float32) if x.dtype == np.float64 else x.copy())
    if not isinstance(x, torch.Tensor):
        raise ValueError(
            f"example {name}: {type(x).__name__} is no tensor; nested and constant inputs are not supported"
        )
    if x.ndim == 0:
        raise ValueError(f"example {name}: a scalar has no batch axis; give shape (samples, ...)")
    return x.detach()


def bound(model: nn.Module, args: tuple[torch.Tensor, ...], kwargs: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Tensors by the names of ``forward``'s arguments."""
    signature = inspect.signature(model.forward)
    try:
        return dict(signature.bind(*args, **kwargs).arguments)
    except TypeError as e:
        given = f"inputs {sorted(kwargs)}" if kwargs else f"{len(args)} inputs"
        raise ValueError(f"example has {given}, {type(model).__name__}.forward takes {signature}: {e}") from None


def batch_axes(x: Any, batch: Any) -> Any:
    """What is dynamic, in the structure of `x` (``*args`` are a tuple in it): axis 0 of every tensor."""
    if isinstance(x, dict):
        return {name: batch_axes(part, batch) for name, part in x.items()}
    return tuple(batch_axes(part, batch) for part in x) if isinstance(x, tuple) else {0: batch}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing of torch's on stdout, no log pages before an exception that says the same, no notes to its authors."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def where(stack_trace: str | None) -> str:
    """``file.py:12``: the user's innermost line in a node's stack trace; "" if there is none.

    torch keeps the frames of functions named ``forward`` only: what a helper does has the line that calls the helper.
    """
    return innermost((path, int(line)) for path, line in FRAME.findall(stack_trace or ""))


def raised_at(e: Exception) -> str:
    """`` at file.py:12``: the user's innermost line that an exception of torch.export came through."""
    frames = traceback.extract_tb(e.__traceback__)
    line = innermost((f.filename, f.lineno or 0) for f in frames if f.filename not in (__file__, "<string>"))
    return f" at {line}" if line else ""


def innermost(frames: Iterable[tuple[str, int]]) -> str:
    """The last of the user's frames; its file without the folder, which differs from machine to machine."""
    own = [f"{Path(path).name}:{line}" for path, line in frames if is_users(path)]
    return own[-1] if own else ""


def is_users(path: str) -> bool:
    """Whether a source file is neither torch's, nor code that torch made, nor Python's own library."""
    installed = "site-packages" in path or "dist-packages" in path
    return not path.startswith(TORCH) and (installed or not path.startswith(PYTHON))


def reason(e: Exception) -> str:
    """The one line of torch's message that tells what happened, and what to do about it."""
    text = str(e)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(e).__name__]
    if "Constraints violated" in lines[0]:
        fixed = re.search(r"constant \((\d+)\)", text)
        told = next((line[2:] for line in lines if line.startswith("- ")), lines[0])
        why = f"works for {fixed[1]} samples only" if fixed else f"does not take every number of samples: {told}"
        return f"forward {why}; keep axis 0, the batch, free: -1, x.shape[0], flatten(1)"
    if "data-dependent" in lines[0]:
        return "forward depends on the numbers in its input; a hardware graph is the same for every input"
    return f"{type(e).__name__}: {lines[0]}"
