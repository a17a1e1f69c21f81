"""What values of a front graph are on real data, and how much the loss feels an error of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hwsim.front import FrontGraph

from ..frameworks import nn, torch
from ..lsq import tensors
from ..torch_front import compute

Tensor = torch.Tensor


def captured(front: FrontGraph, batches: Sequence[Any], wanted: Iterable[str]) -> dict[str, Tensor]:
    """`wanted` values over all batches, float32, first axis samples; others are dropped as soon as they are read."""
    wanted = set(wanted)
    parts: dict[str, list[Tensor]] = {name: [] for name in wanted}
    with torch.no_grad():
        for i, batch in enumerate(batches):
            for name, x in run(front, tensors(front, i, batch)[0], wanted).items():
                parts[name].append(x)
    return {name: torch.cat(p) for name, p in parts.items()}


def fisher(front: FrontGraph, batches: Sequence[Any], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Square of the loss's gradient at each of `wanted`: the diagonal of the Fisher information.

    The loss is the cross entropy of the first output's last axis with the labels of a batch, without labels with the
    model's own answers. Source: arXiv:2310.16836, appendix A.
    """
    wanted = set(wanted)
    parts: dict[str, list[Tensor]] = {name: [] for name in wanted}
    for i, batch in enumerate(batches):
        inputs, labels = tensors(front, i, batch)
        made = run(front, inputs, {*wanted, front.outputs[0]}, gradients=wanted)
        scores = made[front.outputs[0]].flatten(0, -2)
        answers = scores.argmax(-1) if labels is None else labels.reshape(-1)
        loss = nn.functional.cross_entropy(scores, answers, reduction="sum")
        for name, g in zip(wanted, torch.autograd.grad(loss, [made[n] for n in wanted]), strict=True):
            parts[name].append(g.square())
    return {name: torch.cat(p) for name, p in parts.items()}


def run(
    front: FrontGraph, inputs: dict[str, Tensor], wanted: set[str], gradients: Iterable[str] = ()
) -> dict[str, Tensor]:
    """`wanted` values of one batch; those of `gradients` start a graph of their own to differentiate."""
    last = {name: k for k, node in enumerate(front.nodes) for name in node.ins}
    env, kept = dict(inputs), {}
    for k, node in enumerate(front.nodes):
        ins = [env[i] if i in env else torch.from_numpy(front.params[i]) for i in node.ins]
        y = compute(node, *ins)
        if node.out in gradients and not y.requires_grad:
            y.requires_grad_()
        env[node.out] = y
        if node.out in wanted:
            kept[node.out] = y
        for name in node.ins:
            if last[name] == k:
                env.pop(name, None)
    return kept
