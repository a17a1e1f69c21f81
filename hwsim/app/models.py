"""MODEL of `hwsim build` -> a Job: the integer graph, what it was made from, and what to check it on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ablation import Ablation, ablate
from ..front import FrontGraph, load_front
from ..graph import Graph
from ..quantization import Quantized, quantize_model
from .data import Arrays, check_reals, first_samples, load_codes, load_labels, load_npz, load_reals, random_codes
from .graphs import QUANTIZED, load_graph
from .loading import imported, user_code
from .settings import given, recipe_of
from .shipped import EXAMPLE, EXAMPLES

FLOATS = f"{', '.join(EXAMPLES)} (shipped; default {EXAMPLE}), float .onnx, package.module:function (torch)"
READABLE = f"{FLOATS}, {QUANTIZED}"
PLANNED = (".pt2", ".pt", ".pth")
CALIBRATION_BATCH = 256  # samples at once


@dataclass(frozen=True, kw_only=True)
class Job:
    """What `build` works on.

    Args:
        graph: the integer graph.
        front: the float model, where there is one.
        inputs: codes or reals to check on.
        labels: the right classes, where known.
        source: where the model comes from, without folders.
        data: what it is checked on, in words.
        ablation: what each layer costs, where asked for.
    """

    graph: Graph
    front: FrontGraph | None
    inputs: Arrays
    labels: NDArray[Any] | None
    source: str
    data: str
    ablation: list[Ablation] = field(default_factory=list)


def maker(args: argparse.Namespace) -> Callable[[argparse.Namespace], Job]:
    """The function that makes the job which the command line asks for; ValueError for models that none can read."""
    model = args.model or EXAMPLE
    if model in EXAMPLES:
        return example_job
    if model.lower().endswith(PLANNED):
        raise ValueError(f"{model}: {Path(model).suffix} models are not supported yet; build takes {READABLE}")
    if model.lower().endswith((".qg", ".tflite")):
        return graph_job
    if model.lower().endswith(".onnx"):
        return onnx_job
    if ":" not in model:
        raise ValueError(f"{model}: is no model that build knows; it takes {READABLE}")
    if not args.calibrate:
        raise ValueError(f"{model}: a torch model needs --calibrate data.npz (keys are input names)")
    return torch_job


def example_job(args: argparse.Namespace) -> Job:
    """A shipped network on its shipped data, or on the user's own."""
    example = EXAMPLES[args.model or EXAMPLE]
    source = f"shipped example {example.name} ({example.what})"
    if args.calibrate:
        return float_job(args, shipped_front(example.name), load_reals(args.calibrate), source)
    front, seen, test, classes = shipped_model(example.name)
    made = quantized(front, seen, args)
    inputs = first_samples(test, made.graph, args.samples)
    n = len(inputs[next(iter(test))])
    words = f"{n} test {example.unit}; calibrated on {len(next(iter(seen.values())))} of the training set"
    labels = labels_of(args, classes, n)
    return Job(
        graph=made.graph, front=made.twin, inputs=inputs, labels=labels, source=source, data=words,
        ablation=ablation(front, seen, args, inputs, labels),
    )  # fmt: skip


def shipped_front(name: str) -> FrontGraph:
    """The float model of a shipped network."""
    with as_file(files(__package__) / "examples" / f"{name}.front.npz") as path:
        return load_front(path)


def shipped_model(name: str) -> tuple[FrontGraph, Arrays, Arrays, NDArray[Any]]:
    """A shipped network: float model, calibration data, test data, their classes."""
    example, front = EXAMPLES[name], shipped_front(name)
    with as_file(files(__package__) / "examples" / example.data) as path:
        data = load_npz(str(path))
    (given,) = front.inputs
    seen, test = ({given: example.reals(data[key])} for key in ("calibration", example.test))
    return front, seen, test, data["labels"]


def onnx_job(args: argparse.Namespace) -> Job:
    """An ONNX model of another tool: a quantized one as it is, a float one on data of the user's, without torch."""
    from codegen.onnx_reader import read_onnx

    data = load_reals(args.calibrate) if args.calibrate else {}
    read = read_onnx(args.model, {name: x.shape[1:] for name, x in data.items()})
    if isinstance(read, Graph):
        return quantized_job(args, read)
    if not data:
        raise ValueError(f"{args.model}: a float ONNX model needs --calibrate data.npz (keys are input names)")
    return float_job(args, read, data, Path(args.model).name)


def torch_job(args: argparse.Namespace) -> Job:
    """A torch model of the user's, on data of the user's."""
    data = load_reals(args.calibrate)
    return float_job(args, torch_front(args.model, data), data, args.model)


def torch_front(spec: str, data: Arrays) -> FrontGraph:
    """The float model that ``package.module:function`` names, exported on samples."""
    from algos.export import export

    kinds: dict[str, Any] = {"f": np.float32, "b": np.bool_}
    example = {name: x[:2].astype(kinds.get(x.dtype.kind, np.int64)) for name, x in data.items()}
    return export(torch_module(spec), example)


def float_job(args: argparse.Namespace, front: FrontGraph, data: Arrays, source: str) -> Job:
    """Calibrate on `data`, check on (the first of) the same data."""
    check_reals(args.calibrate, data, front)
    made = quantized(front, data, args)
    inputs = first_samples(data, made.graph, args.samples)
    n, total = (len(next(iter(d.values()))) for d in (inputs, data))
    words = f"{n} samples of {Path(args.calibrate).name}; calibrated on all {total} of them"
    labels = labels_of(args, None, n)
    return Job(
        graph=made.graph, front=made.twin, inputs=inputs, labels=labels, source=source, data=words,
        ablation=ablation(front, data, args, inputs, labels),
    )  # fmt: skip


def graph_job(args: argparse.Namespace) -> Job:
    """A graph in a file, by the contract that the user names where the file leaves it open."""
    check_settings(args)  # before the file is read, which may take long
    return quantized_job(args, load_graph(args))


def check_settings(args: argparse.Namespace) -> None:
    """ValueError for options that quantize, beside a model that is quantized already."""
    if args.ablate:
        raise ValueError(f"{args.model}: is quantized already; --ablate needs a float model")
    others = [flag for flag in ("recipe", "llm-fp4") if getattr(args, flag.replace("-", "_"))]
    free = ("contract",) if args.model.lower().endswith(".tflite") else ()
    if settings := [f"--{flag}" for flag in (*others, *given(args)) if flag not in free]:
        raise ValueError(f"{args.model}: is quantized already, so {', '.join(settings)} cannot apply")


def quantized_job(args: argparse.Namespace, graph: Graph) -> Job:
    """A graph that is quantized already, on samples of the user's or on random codes."""
    check_settings(args)
    source = Path(args.model).name
    if args.calibrate:
        inputs: Arrays = load_codes(args.calibrate, graph, args.samples)
        words = f"samples of {Path(args.calibrate).name}"
    else:
        inputs = random_codes(graph, 64 if args.samples is None else args.samples, args.seed)
        words = f"random codes, seed {args.seed}"
    n = max((len(inputs[v.name]) for v in graph.inputs if v.type.batched and v.name in inputs), default=1)
    labels = labels_of(args, None, n)
    return Job(graph=graph, front=None, inputs=inputs, labels=labels, source=source, data=words)


def quantized(front: FrontGraph, data: Mapping[str, NDArray[Any]], args: argparse.Namespace) -> Quantized:
    """Fold, equalize, calibrate, correct, search where the user asks for it, lower."""
    recipe, batches = recipe_of(args), parts(data)
    if not args.llm_fp4:
        return quantize_model(front, batches, recipe)
    if args.ablate:
        raise ValueError("--llm-fp4: --ablate would quantize anew, without the search; leave one of them out")
    from algos import LLMFP4, Prepared, calibrate, lower  # Why here: everything else needs no torch

    p = LLMFP4(search=args.llm_fp4)(calibrate(Prepared(front=front, recipe=recipe), batches), batches)
    return Quantized(lower(p), p.front)


def ablation(
    front: FrontGraph, data: Arrays, args: argparse.Namespace, inputs: Arrays, labels: NDArray[Any] | None
) -> list[Ablation]:
    """One row a layer, where the user asks for it."""
    return ablate(front, parts(data), recipe_of(args), inputs, labels) if args.ablate else []


def parts(data: Mapping[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Calibration data in batches."""
    starts = range(0, len(next(iter(data.values()))), CALIBRATION_BATCH)
    return [{name: x[i : i + CALIBRATION_BATCH] for name, x in data.items()} for i in starts]


def labels_of(args: argparse.Namespace, shipped: NDArray[Any] | None, samples: int) -> NDArray[Any] | None:
    """The first `samples` labels, the user's before the shipped ones; ValueError where they are too few."""
    labels = load_labels(args.labels) if args.labels else shipped
    if labels is not None and len(labels) < samples:
        raise ValueError(f"{args.labels}: {len(labels)} labels for {samples} samples")
    return None if labels is None else labels[:samples]


def torch_module(spec: str) -> Any:
    """What ``package.module:function`` names: a torch module, or a function without arguments that returns one."""
    from algos.frameworks import nn

    with user_code(spec):
        made = imported(spec)
        model = made if isinstance(made, nn.Module) else made()
    if not isinstance(model, nn.Module):
        raise ValueError(f"{spec}: gives a {type(model).__name__}, must be or return a torch.nn.Module")
    return model
