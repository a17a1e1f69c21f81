"""LLM-FP4: the format and the largest number of every operand of layers and products, searched layer by layer.

Each layer is calibrated on float inputs and outputs, independent of the others. Activations have pre-shifted exponent
biases: channel j has the scale ``alpha * 2**-shift[j]``, one float and a small integer each, which the datapath adds to
the exponent of its row (`hwsim.ops.MatMul`). What several layers read is stored once, so it is searched for all of
them, each counting by the power of its own output; the published search gives every layer its own, quantizes embeddings
too, and tries 100 multiplicative steps in 3 rounds where the defaults here are 25 additive ones in 2. Convolutions and
embeddings keep the recipe's formats. What a layer and a product read alike has the layer's choice.

Source: arXiv:2310.16836 (EMNLP 2023).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from hwsim.blockformats import weight_format_named
from hwsim.formats import FORMATS, FloatFormat
from hwsim.front import FrontGraph, FrontNode, Mark
from hwsim.lowering.equalization import LAYERS

from ..frameworks import one_thread, torch
from ..prepare import Prepared, as_batches
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
        counts = (self.steps, self.rounds, self.rows)
        if any(not isinstance(n, int) or n < 1 for n in counts) or not np.isfinite([*self.gamma, *self.span]).all():
            raise ValueError(
                f"LLM-FP4: steps {self.steps}, rounds {self.rounds}, rows {self.rows} must be whole numbers >= 1, "
                f"gamma {self.gamma} and span {self.span} finite"
            )

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
        batches = as_batches(batches)
        if not batches:
            raise ValueError("no batches: give LLM-FP4 the calibration data")
        front, layers, products = prepared.front, *scope(prepared)
        with one_thread():
            copies = [group.copy for group in layers] + [c for p in products for c in p.ins]
            seen = captured(front, batches, copies)
            outs = [n.out for group in layers for n in group.readers]
            weights = fisher(front, batches, outs) if self.objective == "fisher" else {}
            found: dict[str, Choice] = {}
            for group in tqdm(layers, desc="LLM-FP4, layers", unit="operand"):
                found |= self.layer(prepared, group, seen[group.copy], weights)
            for node in tqdm(products, desc="LLM-FP4, products", unit="product"):
                found = self.product(prepared, node, seen) | found
        return applied(prepared, found)

    def layer(self, p: Prepared, group: Group, x: Tensor, importance: dict[str, Tensor]) -> dict[str, Choice]:
        """One operand and the weights of its readers, by name."""
        every = x.flatten(0, -2)
        at, count = self.rows_of(every)
        rows = every[at]
        peaks = every.abs().amax(0)
        own = Side(rows, formats(group.format), "columns" if self.preshift else "none", peaks)
        sides, counts = [], []
        for n in group.readers:
            w = torch.from_numpy(p.front.params[n.ins[1]])
            sides.append(Side(w, formats(p.recipe.at(n.out).weights), "rows"))
            y = rows @ w.T
            felt = count * (importance[n.out].flatten(0, -2)[at] if importance else 1)
            counts.append(felt / (felt * y.square()).sum().clamp(min=1e-30))
        x_choice, w_choices = search_linear(own, sides, counts, self.biases, self.rounds)
        return {group.copy: x_choice} | {n.ins[1]: c for n, c in zip(group.readers, w_choices, strict=True)}

    def product(self, p: Prepared, node: FrontNode, seen: dict[str, Tensor]) -> dict[str, Choice]:
        """Both operands of a product, by name."""
        at = self.chosen(len(seen[node.ins[0]]), self.rows)
        named = {n.out: n.attrs["operand"] for n in p.front.nodes if n.out in node.ins}
        a, b = (Side(seen[i][at], formats(named[i])) for i in node.ins)
        return dict(zip(node.ins, search_product(a, b, self.biases, self.rounds), strict=True))

    def rows_of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Which rows of `x` (rows, k) the search looks at, and for how many each counts, shape (rows, 1).

        A quarter are those of the largest magnitudes. Why: outliers of a few tokens can be most of a layer's output,
        and a draw that misses them all would clip them.
        """
        if len(x) <= self.rows:
            return torch.arange(len(x)), torch.ones(len(x), 1)
        order = x.abs().amax(1).argsort(descending=True, stable=True)
        first = max(1, self.rows // 4)
        rest = self.chosen(len(x) - first, self.rows - first)
        count = torch.cat([torch.ones(first), torch.full((len(rest),), (len(x) - first) / max(len(rest), 1))])
        return torch.cat([order[:first], order[first:][rest]]), count[:, None]

    def chosen(self, count: int, most: int) -> Tensor:
        """Up to `most` of `count` places, in order."""
        some = np.random.default_rng(self.seed).choice(count, min(count, most), replace=False)
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
    check_recipe(p)
    copies = {n.out: n.attrs["operand"] for n in p.front.nodes if "operand" in n.attrs}
    floats = {c: f for c, f in copies.items() if isinstance(weight_format_named(f), FloatFormat)}
    if not floats:
        raise ValueError(
            "LLM-FP4: no operand is in a float format; calibrate with Recipe(weights='fp4_e2m1', operands='fp4_e2m1')"
        )
    groups = [Group(c, f, tuple(n for n in p.front.consumers(c) if n.op == "linear")) for c, f in floats.items()]
    groups = [g for g in groups if g.readers]
    read = [n for g in groups for n in g.readers]
    named = {n.out: p.recipe.at(n.out).weights for n in read}
    wrong = [f"{n!r} ({w})" for n, w in named.items() if not isinstance(weight_format_named(w), FloatFormat)]
    if wrong:
        raise ValueError(f"LLM-FP4: weights of {', '.join(wrong)} are in no float format of elements; give them one")
    weights = [n.ins[1] for n in p.front.nodes if n.op in LAYERS]
    if shared := [n.out for n in read if weights.count(n.ins[1]) > 1]:
        raise ValueError(f"LLM-FP4: layers {shared} share their weights with others; give each its own")
    products = [n for n in p.front.nodes if n.op == "matmul" and all(i in floats for i in n.ins)]
    return groups, products


def check_recipe(p: Prepared) -> None:
    """ValueError for settings that the search would not keep."""
    r = p.recipe
    unkept = {"bias_correction": r.bias_correction, "power_of_two": r.powers_of_two, "per_channel": not r.per_channel}
    if wrong := [key for key, on in unkept.items() if on]:
        raise ValueError(
            f"LLM-FP4: {', '.join(wrong)} of the recipe cannot hold: scales are searched anew, one real number a "
            "channel of weights; leave the settings at their defaults"
        )


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
