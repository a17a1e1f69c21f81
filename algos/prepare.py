"""torch model -> front graph and recipe -> ranges of its values -> integer Graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim import Graph, Recipe, lowering
from hwsim.front import FrontGraph
from hwsim.observers import Range
from hwsim.quantization import settle

if TYPE_CHECKING:
    from torch import nn

    from .front_module import FrontModule

Batch = dict[str, NDArray[np.float32]]


@dataclass(kw_only=True)
class Prepared:
    """A model on its way to hardware; `calibrate` fills in the ranges.

    Args:
        front: the float model; `calibrate` folds its batch norms, equalizes it and corrects its biases as the recipe
            says, training gives it new weights and marks.
        recipe: what the hardware shall be.
        ranges: (low, high) of every value, in the model's units; empty until calibrated.
        source: `front` as it came, before `calibrate`.
    """

    front: FrontGraph
    recipe: Recipe = field(default_factory=Recipe)
    ranges: dict[str, Range] = field(default_factory=dict)
    source: FrontGraph | None = None

    def module(self) -> FrontModule:
        """The calibrated model in torch: fake-quantized in training, the integer definition in eval mode."""
        from .front_module import FrontModule

        return FrontModule(self)


def prepare(model: nn.Module, example: Any, recipe: Recipe | None = None) -> Prepared:
    """The front graph of a torch model, with what shall become of it.

    Args:
        model: float module; taken in eval mode, left as it is.
        example: a tensor or array of shape (samples, ...), a tuple of them or a dict, as ``forward`` takes them.
        recipe: default INT8 everywhere.

    Raises:
        ValueError: lists everything in the model that is not supported, see `algos.export.export`.
    """
    from .export import export  # Why here: calibrating and lowering a stored front graph needs no torch

    return Prepared(front=export(model, example), recipe=recipe or Recipe())


def calibrate(p: Prepared, batches: Iterable[Any]) -> Prepared:
    """`p` itself, with the ranges its values take on `batches`.

    Args:
        p: its `recipe` says which observer looks at which value.
        batches: arrays or tensors of shape (samples, *one sample), tuples or lists of one for each input (a last
            one more, the labels of a data loader, is ignored), or dicts by input name. One array, tensor or dict
            is one batch. Floats, scaled as the model wants them.

    Raises:
        ValueError: no batches, wrong names, shapes or dtypes, NaN or Inf.
    """
    p.source = p.source or p.front
    named = [as_batch(p.source, i, batch) for i, batch in enumerate(as_batches(batches))]
    p.front, p.ranges, _ = settle(p.source, named, p.recipe)
    return p


def lower(p: Prepared) -> Graph:
    """The integer graph of a calibrated model."""
    if not p.ranges:
        raise ValueError(f"model {p.front.name!r} has no ranges yet: call algos.calibrate(p, batches) before lower")
    return lowering.lower(p.front, p.ranges, p.recipe)


def as_batches(batches: Iterable[Any]) -> list[Any]:
    """A list of batches; one array, tensor or dict is one."""
    return [batches] if isinstance(batches, Mapping) or hasattr(batches, "shape") else list(batches)


def as_batch(front: FrontGraph, i: int, batch: Any) -> Batch:
    """Batch number `i` as input name -> reals; names and shapes are checked where they are used."""
    names = list(front.inputs)
    if isinstance(batch, tuple | list):
        if not len(names) <= len(batch) <= len(names) + 1:
            raise ValueError(f"batch {i}: {len(batch)} items for inputs {names}; give one each, or one more for labels")
        batch = dict(zip(names, batch, strict=False))
    elif not isinstance(batch, Mapping):
        if len(names) != 1:
            raise ValueError(f"batch {i}: one {type(batch).__name__} for inputs {names}; give a tuple or a dict")
        batch = {names[0]: batch}
    indices = front.indices() | front.masks()
    what = f"batch {i}, input"
    return {
        n: as_indices(f"{what} {n!r}", x) if n in indices else as_reals(f"{what} {n!r}", x) for n, x in batch.items()
    }


def as_indices(what: str, x: Any) -> NDArray[np.float32]:
    """Integers, which an embedding or a mask reads, as the reals that a front graph is made of."""
    x = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    if x.dtype.kind not in "iub" and not (x.dtype.kind == "f" and (x == np.rint(x)).all()):
        raise ValueError(f"{what}: dtype {x.dtype}; an embedding or a mask reads integers")
    return x.astype(np.float32)


def as_reals(what: str, x: Any) -> NDArray[np.float32]:
    """An array or tensor of floats, float32.

    Why not integers: 8-bit images are not what a model trained on [0, 1] sees, and would spoil its ranges in silence.
    """
    if hasattr(x, "detach"):  # a torch tensor; bfloat16 has no numpy twin
        x = x.detach().cpu()
        x = x.float().numpy() if x.is_floating_point() else x.numpy()
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(f"{what}: dtype {x.dtype}; give floats, scaled as the model wants them (images / 255?)")
    return x.astype(np.float32, copy=False)
