"""LSQ: train the weights and the scales of a quantized network together.

Source: arXiv:1902.08153 (Learned Step Size Quantization). The scale of each weight starts at ``2 mean|w| / sqrt(high)``
(eq. 3 and section 2.1) a channel, that of each value where calibration puts it; gradients are in `algos.fake_quantize`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from tqdm import tqdm

from hwsim.front import FrontGraph

from .frameworks import nn, one_thread, torch
from .front_module import FrontModule, Quantizer
from .prepare import Prepared, as_batch
from .torch_front import FloatModule
from .training import learning_rate

Tensor = torch.Tensor


@dataclass(frozen=True, kw_only=True)
class LSQ:
    """The knobs; calling it trains.

    Args:
        epochs: passes over the batches.
        rate: peak learning rate of Adam, for weights and scales; warm-up, then half a cosine.
        weight_decay: decoupled, of the weights alone.
        distill: learn the float model's outputs even where the batches have labels.
        smoothing: of the labels.
        power_of_two: learn scales that are powers of two, for shift-only hardware.
        seed: names the run in what is printed; the order of the samples is that of the batches.
    """

    epochs: int = 3
    rate: float = 1e-3
    weight_decay: float = 0.0
    distill: bool = False
    smoothing: float = 0.1
    power_of_two: bool = False
    seed: int = 0

    def __call__(self, prepared: Prepared, batches: Iterable[Any]) -> Prepared:
        """A trained copy of `prepared`: new weights, and marks with the learned scales.

        Args:
            prepared: calibrated; its recipe names the formats.
            batches: as `algos.calibrate` takes them; walked once an epoch, so give a list or something that starts
                anew. Labels (integers, one an input more) are learned; without them the float model's outputs are.

        Raises:
            ValueError: not calibrated, no batches, formats that are no integers.
        """
        if self.power_of_two:
            prepared = replace(prepared, recipe=replace(prepared.recipe, power_of_two=True))
        module = FrontModule(prepared).train().to(memory_format=torch.channels_last)  # faster on CPUs
        start_scales(module)
        with one_thread():
            train(self, module, batches)
        return replace(prepared, front=module.front())


def start_scales(module: FrontModule) -> None:
    """``2 mean|w| / sqrt(high)`` for every weight without a mark."""
    named = dict(zip(module.parameter_names, module.weights, strict=True))
    for name, quantizer in zip(module.quantized_names, module.quantizers, strict=True):
        if name in named and name not in module.base.marks:
            start_scale(quantizer, named[name].detach())


def start_scale(quantizer: Quantizer, weight: Tensor) -> None:
    """One scale a channel of axis 0, or one for all; channels of zeros keep what the graph gave them."""
    exponent = quantizer.log2_scale
    rows = weight.reshape(len(weight) if exponent.ndim else 1, -1)
    first = 2 * rows.abs().mean(1) / quantizer.fmt.max_int**0.5
    with torch.no_grad():
        exponent.copy_(torch.where(first > 0, torch.log2(first), exponent).reshape(exponent.shape))


def train(knobs: LSQ, module: FrontModule, batches: Iterable[Any]) -> None:
    """Adam on all weights and scales."""
    scales = [q.log2_scale for q in module.quantizers]
    groups = [{"params": list(module.weights), "weight_decay": knobs.weight_decay}, {"params": scales}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    teacher = FloatModule(module.base)
    batches = batches if hasattr(batches, "__len__") else list(batches)
    steps = knobs.epochs * len(batches)
    if not steps:
        raise ValueError("no batches: the training set is empty")
    step = 0
    for _ in tqdm(range(knobs.epochs), desc=f"LSQ, seed {knobs.seed}", unit="epoch"):
        for i, batch in enumerate(batches):
            inputs, labels = tensors(module.base, i, batch)
            loss = loss_of(knobs, module, teacher, inputs, labels)
            for group in optimizer.param_groups:
                group["lr"] = knobs.rate * learning_rate(step, steps)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1


def loss_of(
    knobs: LSQ, module: FrontModule, teacher: FloatModule, inputs: dict[str, Tensor], labels: Tensor | None
) -> Tensor:
    """Cross entropy with labels; else the mean square difference to the float model's outputs."""
    outputs = module(**inputs)
    if labels is not None and not knobs.distill:
        return nn.functional.cross_entropy(outputs, labels, label_smoothing=knobs.smoothing)
    with torch.no_grad():
        wanted = teacher(*(inputs[name] for name in module.base.inputs))
    pairs = zip(as_tuple(outputs), as_tuple(wanted), strict=True)
    return torch.stack([nn.functional.mse_loss(y, w) for y, w in pairs]).sum()


def as_tuple(outputs: Any) -> tuple[Tensor, ...]:
    """One output or several."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def tensors(front: FrontGraph, i: int, batch: Any) -> tuple[dict[str, Tensor], Tensor | None]:
    """Inputs by name, and labels where the batch has one item more."""
    labels = None
    if isinstance(batch, tuple | list) and len(batch) == len(front.inputs) + 1:
        labels = torch.as_tensor(batch[-1]).long()
    named = {name: torch.from_numpy(x) for name, x in as_batch(front, i, batch).items()}
    return named, labels
