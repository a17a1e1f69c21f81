"""The networks that ship inside the package, with the data to calibrate and check them on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Example:
    """One shipped network.

    Args:
        name: ``<name>.front.npz`` is the float model.
        what: in words.
        data: file with ``calibration``, `test` and ``labels``.
        test: key of the test inputs.
        unit: what they are, in words.
        divisor: reals are the stored numbers divided by this.
        observer: calibration rule where the user names none.
    """

    name: str
    what: str
    data: str
    test: str
    unit: str
    divisor: float
    observer: str = "minmax"

    def reals(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """What the model takes."""
        return stored.astype(np.float32) / np.float32(self.divisor)


IMAGES: dict[str, Any] = {
    "data": "fashion_mnist.npz",
    "test": "images",
    "unit": "images of Fashion-MNIST",
    "divisor": 255,
}

EXAMPLES = {
    e.name: e
    for e in (
        Example(name="vit-tiny", what="Vision Transformer, 4 layers of width 64, Fashion-MNIST", **IMAGES),
        Example(name="mlp", what="784-128-64-10, Fashion-MNIST", **IMAGES),
        Example(name="resnet8", what="ResNet-8, Fashion-MNIST", **IMAGES),
        Example(
            name="ds-cnn",
            what="1-D depthwise-separable network, smartwatch exercises",
            data="watch.npz",
            test="windows",
            unit="windows of smartwatch motion",
            divisor=128,
            observer="mse",
        ),
    )
}
EXAMPLE = "vit-tiny"
