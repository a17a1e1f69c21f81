"""What formats of weights and accumulators cost a whole model, after calibration alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hwsim.comparison import COMPARED
from hwsim.quantization import quantize_model
from hwsim.reports import Choice, ModelErrors, Trial, compare_models

from .prepare import Prepared, as_batch, as_batches


def compare(
    p: Prepared,
    batches: Iterable[Any],
    inputs: Any,
    formats: Sequence[str] = COMPARED,
    *,
    accumulators: Sequence[str] = ("",),
    labels: ArrayLike | None = None,
) -> ModelErrors:
    """One row a format and accumulator, in this order; each is quantized anew from the float model, `p` stays as it is.

    Args:
        p: the model as it came or calibrated, and the recipe that says all the rest. A trained one goes back to what it
            was before: training is for one choice.
        batches: calibration data, as for `algos.calibrate`.
        inputs: one batch to measure on.
        formats: of weights, of elements or blocks.
        accumulators: see `hwsim.reports.Choice`.
        labels: the right class of each sample.

    Returns:
        Rows; one that cannot be has the reason as `refused`.

    Raises:
        ValueError: batches, inputs or labels that do not fit.
    """
    front = p.source or p.front
    seen, test = [as_batch(front, i, b) for i, b in enumerate(as_batches(batches))], as_batch(front, 0, inputs)
    count = len(next(iter(test.values())))
    if labels is not None and len(np.asarray(labels)) != count:
        raise ValueError(f"compare: {len(np.asarray(labels))} labels for {count} samples")

    def make(choice: Choice) -> Trial:
        made = quantize_model(front, seen, choice.of(p.recipe))
        return Trial(made.graph, made.twin, test, labels)

    return compare_models(make, formats, accumulators)
