"""Classification accuracy of a torch module, a front graph or an integer graph, on the same images.

``python -m algos.evaluation --write FILE [NAMES..]`` measures every figure of the named models again (all of them
without names) on the full test sets: after calibration under each contract, and after training at low widths; of
``minilm``, the cosine to the float model's vectors, see `algos.sentences`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hwsim import Graph, QTensor, simulate
from hwsim.front import FrontGraph

from .prepare import as_reals

if TYPE_CHECKING:
    from torch import nn

    Model = Graph | FrontGraph | nn.Module


def evaluate(
    model: Model, images: NDArray[Any], labels: NDArray[Any], *, reference: Model | None = None, batch: int = 1000
) -> dict[str, float]:
    """How often the largest output is the right one.

    Args:
        model: one input, one output of shape (n, classes).
        images: reals as the model wants them, shape (n, ...).
        labels: integers, shape (n,).
        reference: another model for the same images, such as the float twin of a graph.
        batch: images at a time.

    Returns:
        samples; accuracy: fraction of right answers; with a reference its accuracy (``reference_accuracy``) and
        ``same``: fraction of images on which both give the same answer, right or wrong.

    Raises:
        ValueError: numbers of images and labels differ, images that are no floats, models with several inputs.
    """
    x, labels = as_reals("images", images), np.asarray(labels)
    if labels.shape != x.shape[:1] or not len(x):
        raise ValueError(f"images of shape {x.shape} and labels of shape {labels.shape}; give one label an image")
    answers = classify(model, x, batch)
    result = {"samples": len(x), "accuracy": float(np.mean(answers == labels))}
    if reference is not None:
        others = classify(reference, x, batch)
        result["reference_accuracy"] = float(np.mean(others == labels))
        result["same"] = float(np.mean(others == answers))
    return result


def classify(model: Model, x: NDArray[np.float32], batch: int = 1000) -> NDArray[np.int64]:
    """Index of the largest output, the first of equal ones; shape (n,)."""
    return np.concatenate([outputs(model, x[i : i + batch]).argmax(1) for i in range(0, len(x), batch)])


def outputs(model: Model, x: NDArray[np.float32]) -> NDArray[Any]:
    """Reals of shape (n, classes) for one batch."""
    if isinstance(model, Graph):
        (value,) = single(model.outputs, "output")
        (given,) = single(model.inputs, "input")
        return QTensor(value.type, simulate(model, {given.name: x})[value.name]).dequantize()
    if isinstance(model, FrontGraph):
        (name,) = single(model.outputs, "output")
        return model.evaluate(dict.fromkeys(single(list(model.inputs), "input"), x))[name]
    from .frameworks import eval_mode, torch  # Why here: graphs are evaluated without torch

    with eval_mode(model), torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


def single(values: list[Any], what: str) -> list[Any]:
    """`values`, if there is one."""
    if len(values) != 1:
        raise ValueError(f"model has {len(values)} {what}s; accuracy is measured on models with one")
    return values


def main(arguments: Sequence[str] | None = None) -> None:
    """The command in the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m algos.evaluation", description="Measure quantized accuracy again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="models of algos.training, minilm (default: all)")
    parser.add_argument("--write", type=Path, required=True, metavar="FILE", help="JSON, one entry a model")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each width (default: 3; 0 trains nothing)")
    parser.add_argument("--only-training", action="store_true", help="leave calibration alone out")
    args = parser.parse_args(arguments)
    from . import sentences  # Why here: everything above works without torch
    from .evidence import measure
    from .training import MODELS

    known = [*MODELS, "minilm"]
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"{', '.join(unknown)} is unknown: use {', '.join(known)}")
    for name in args.names or known:
        if name == "minilm":
            sentences.measure(args.write)
        else:
            measure(name, args.write, seeds=args.seeds, ptq=not args.only_training)


if __name__ == "__main__":
    main()
