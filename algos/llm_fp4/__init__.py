"""LLM-FP4: the format and the largest number of every operand of layers and products, searched layer by layer.

Each layer is calibrated on float inputs and outputs, independent of the others. Activations have pre-shifted exponent
biases: channel j has the scale ``alpha * 2**-shift[j]``, one float and a small integer each, which the datapath adds to
the exponent of its row (`hwsim.ops.MatMul`). What several layers read is stored once, so it is searched for all of
them, each counting by the power of its own output; the published search gives every layer its own.

Source: arXiv:2310.16836 (EMNLP 2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from hwsim.blockformats import BlockFormat, weight_format_named
from hwsim.formats import FORMATS, FloatFormat
from hwsim.front import FrontGraph, FrontNode, Mark

from ..frameworks import one_thread, torch
from ..prepare import Prepared
from .capture import captured, fisher
from .search import Choice, Side, search_linear, search_product

Tensor = torch.Tensor
SEARCHES = ("additive", "multiplicative")
OBJECTIVES = ("mse", "fisher")


@dataclass(frozen=True, kw_only=True)
class LLMFP4:
    """The knobs; calling it searches.

    Args:
        preshift: exponent biases of activations a channel; False is the paper's FPQ baseline, one a tensor.
        search: ``additive`` or ``multiplicative``, see `algos.llm_fp4.search`; a figure should say which one made it.
        gamma: first and last factor of the multiplicative search, as published.
        span: first and last of what the additive search adds to a bias, in octaves.
        steps: biases that are tried; multiplicative ones end one step before the last, as the published code does.
        rounds: of the search.
        objective: ``mse``, or ``fisher``: every output weighted by the square of the loss's gradient.
        rows: samples times positions of a layer that the search looks at; samples of a product.
        seed: of their choice.
    """

    preshift: bool = True
    search: str = "additive"
    gamma: tuple[float, float] = (0.01, 1.2)
    span: tuple[float, float] = (-0.25, 2.75)
    steps: int = 25
    rounds: int = 2
    objective: str = "mse"
    rows: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for searches that do not exist."""
        for key, known in (("search", SEARCHES), ("objective", OBJECTIVES)):
            if getattr(self, key) not in known:
                raise ValueError(f"LLM-FP4: {key} {getattr(self, key)!r} is unknown: use one of {', '.join(known)}")
        if min(self.steps, self.rounds, self.rows) < 1:
            raise ValueError(f"LLM-FP4: steps {self.steps}, rounds {self.rounds}, rows {self.rows} must be >= 1")

    def biases(self, first: Tensor) -> list[Tensor]:
        """Biases to try, from the one of the largest magnitude."""
        if self.search == "additive":
            return [first + d for d in np.linspace(*self.span, self.steps).tolist()]
        return [first * g for g in np.linspace(*self.gamma, self.steps + 1)[:-1].tolist()]

    def __call__(self, prepared: Prepared, batches: Iterable[Any]) -> Prepared:
        """A copy of `prepared` whose operands and weights have searched formats and scales.

        Args:
            prepared: calibrated; its recipe names a float format of `operands` and of `weights`, whose bits count.
                Layers whose overrides say otherwise stay as they are.
            batches: as `algos.calibrate` takes them; labels are for ``fisher``.

        Raises:
            ValueError: not calibrated, nothing in float formats, operands in floats under weights that are none.
        """
        batches = [batches] if hasattr(batches, "shape") or isinstance(batches, dict) else list(batches)
        front, layers, products = prepared.front, *scope(prepared)
        with one_thread():
            copies = [c for group in layers for c in (group.copy,)] + [c for p in products for c in p.ins]
            seen = captured(front, batches, copies)
            outs = [n.out for group in layers for n in group.readers]
            weights = fisher(front, batches, outs) if self.objective == "fisher" else {}
            found: dict[str, Choice] = {}
            for group in tqdm(layers, desc="LLM-FP4, layers", unit="operand"):
                found |= self.layer(prepared, group, seen[group.copy], weights)
            for node in tqdm(products, desc="LLM-FP4, products", unit="product"):
                found |= self.product(prepared, node, seen)
        return applied(prepared, found)

    def layer(self, p: Prepared, group: Group, x: Tensor, importance: dict[str, Tensor]) -> dict[str, Choice]:
        """One operand and the weights of its readers, by name."""
        at = self.chosen(x.shape[:-1].numel())
        rows = x.flatten(0, -2)[at]
        own = Side(rows, formats(group.format), "columns" if self.preshift else "none")
        sides, counts = [], []
        for n in group.readers:
            w = torch.from_numpy(p.front.params[n.ins[1]])
            sides.append(Side(w, formats(p.recipe.at(n.out).weights), "rows"))
            y = rows @ w.T
            felt = importance[n.out].flatten(0, -2)[at] if importance else torch.ones(())
            counts.append(felt / (felt * y.square()).sum().clamp(min=1e-30))
        x_choice, w_choices = search_linear(own, sides, counts, self.biases, self.rounds)
        return {group.copy: x_choice} | {n.ins[1]: c for n, c in zip(group.readers, w_choices, strict=True)}

    def product(self, p: Prepared, node: FrontNode, seen: dict[str, Tensor]) -> dict[str, Choice]:
        """Both operands of a product, by name."""
        at = self.chosen(len(seen[node.ins[0]]))
        named = {n.out: n.attrs["operand"] for n in p.front.nodes if n.out in node.ins}
        a, b = (Side(seen[i][at], formats(named[i])) for i in node.ins)
        return dict(zip(node.ins, search_product(a, b, self.biases, self.rounds), strict=True))

    def chosen(self, count: int) -> Tensor:
        """Up to `rows` of `count` places, in order."""
        some = np.random.default_rng(self.seed).choice(count, min(count, self.rows), replace=False)
        return torch.from_numpy(np.sort(some))


class Group(NamedTuple):
    """An operand in a float format, and the layers that read it."""

    copy: str
    format: str
    readers: tuple[FrontNode, ...]


def scope(p: Prepared) -> tuple[list[Group], list[FrontNode]]:
    """Operands of layers, and products, that are in float formats."""
    if not p.ranges:
        raise ValueError(f"model {p.front.name!r} has no ranges yet: call algos.calibrate(p, batches) first")
    copies = {n.out: n.attrs["operand"] for n in p.front.nodes if "operand" in n.attrs}
    floats = {c: f for c, f in copies.items() if isinstance(weight_format_named(f), FloatFormat)}
    if not floats:
        raise ValueError(
            "LLM-FP4: no operand is in a float format; calibrate with Recipe(weights='fp4_e2m1', operands='fp4_e2m1')"
        )
    groups = [Group(c, f, tuple(n for n in p.front.consumers(c) if n.op == "linear")) for c, f in floats.items()]
    groups = [g for g in groups if g.readers]
    read = [n for g in groups for n in g.readers]
    wrong = [f"{n.out!r} ({w})" for n in read if not is_float(w := p.recipe.at(n.out).weights)]
    if wrong:
        raise ValueError(f"LLM-FP4: weights of {', '.join(wrong)} are in no float format of elements; give them one")
    products = [n for n in p.front.nodes if n.op == "matmul" and all(i in floats for i in n.ins)]
    return groups, products


def is_float(name: str) -> bool:
    """Whether a format of weights is one of float elements."""
    fmt = weight_format_named(name)
    return not isinstance(fmt, BlockFormat) and isinstance(fmt, FloatFormat)


def formats(name: str) -> tuple[FloatFormat, ...]:
    """The named format first, then every other of as many bits; those with NaN or Inf are not the paper's."""
    named = weight_format_named(name)
    assert isinstance(named, FloatFormat)
    same = [f for f in FORMATS.values() if isinstance(f, FloatFormat) and f.bits == named.bits and not f.reserved]
    return (named, *(f for f in same if f != named))


def applied(p: Prepared, found: dict[str, Choice]) -> Prepared:
    """Formats into copies and overrides, scales into marks."""
    front: FrontGraph = p.front
    nodes, overrides = [], list(p.recipe.overrides)
    for n in front.nodes:
        if n.out in found:
            n = replace(n, attrs={**n.attrs, "operand": found[n.out].fmt.name})
        if n.op == "linear" and n.ins[1] in found and n.ins[0] in found:
            overrides = [o for o in overrides if o[0] != n.out] + [
                (n.out, {**dict(overrides).get(n.out, {}), "weights": found[n.ins[1]].fmt.name})
            ]
        nodes.append(n)
    marks = {name: Mark(scales(c.scale)) for name, c in found.items()}
    front = replace(front, nodes=nodes, marks={**front.marks, **marks})
    return replace(p, front=front, recipe=replace(p.recipe, overrides=tuple(overrides)))


def scales(x: Tensor) -> float | tuple[float, ...]:
    """One number, or a tuple of them."""
    numbers = x.double().reshape(-1).tolist()
    return numbers[0] if x.ndim == 0 else tuple(numbers)
