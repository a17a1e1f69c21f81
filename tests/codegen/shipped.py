"""The shipped networks as integer graphs, calibrated on a few samples: what they compute is not the question here."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

import numpy as np
from numpy.typing import NDArray

from hwsim.app.shipped import EXAMPLES
from hwsim.front import load_front
from hwsim.graph import Graph
from hwsim.quantization import quantize_model
from hwsim.recipe import Recipe


@cache
def shipped(name: str, **settings: str) -> tuple[Graph, dict[str, NDArray[np.float32]]]:
    """Graph of a shipped network under a recipe, and four samples."""
    example, folder = EXAMPLES[name], files("hwsim.app.examples")
    with as_file(folder / f"{name}.front.npz") as path:
        front = load_front(path)
    with as_file(folder / example.data) as path, np.load(path) as data:
        reals = {"x": example.reals(data["calibration"][:32])}
    graph = quantize_model(front, [reals], Recipe(**settings)).graph
    return graph, {"x": reals["x"][:4]}
