"""``hwsim sweep``: many designs of one model, and which of them no other beats."""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..front import FrontGraph
from ..graph import Graph
from ..recipe import Recipe
from .data import Arrays, check_reals, load_labels, load_reals
from .folder import check_folder, place
from .models import shipped_front, shipped_model, torch_front
from .output import add_json, tell
from .pool import add_jobs, pool
from .shipped import EXAMPLES
from .verbosity import LOG, heard

EXAMPLES_TEXT = """examples:
  hwsim sweep space.toml -o sweep/                       every point of the grid
  hwsim sweep space.toml -o sweep/ --jobs 2              on two processes; the results are the same
  hwsim sweep space.toml -o sweep/ --search nsga2 --points 200 --seed 1
  hwsim sweep space.toml -o sweep/ --dask tcp://10.0.0.1:8786

A killed sweep goes on where it was: give the same command again. space.toml:
  model = "vit-tiny"                  # what hwsim build takes; calibrate = "data.npz", labels = "y.npy" beside it
  [choices]                           # an axis a line; a table holds settings that go together
  weights = ["int8", "int4"]
  accumulator = ["proven", "int24:saturate"]
  tables = ["whole", 8]
  hardware = ["edge-int8", "edge-int8:narrow"]
  [each."*.fc1"]                      # the same axes for each of these layers: mixed precision
  weights = ["int8", "int4"]
Further keys: samples, energy_samples, hardware, target (of flash and RAM), objectives, [recipe], [layers."glob"]."""
KEYS: dict[str, type] = {
    "model": str, "calibrate": str, "labels": str, "samples": int, "energy_samples": int, "hardware": str,
    "target": str, "objectives": list, "recipe": dict, "choices": dict, "layers": dict, "each": dict,
}  # fmt: skip
RESULTS = ("results.csv", "results.json", "results.parquet", "pareto.png", "pareto.svg")


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "sweep",
        description="Measure many designs of one model: accuracy, SQNR, area, energy, latency, flash, RAM.",
        epilog=EXAMPLES_TEXT,
    )
    p.add_argument("space", metavar="space.toml", type=place, help="model, choices and hardware; see below")
    p.add_argument("-o", "--output", type=place, required=True, metavar="DIR", help="results; a sweep goes on there")
    text = "which points: all (grid), random ones, or those that NSGA-II breeds (default: grid)"
    p.add_argument("--search", choices=("grid", "random", "nsga2"), default="grid", help=text)
    p.add_argument("--points", type=int, metavar="N", help="of random and nsga2 (default: 200)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="of random and nsga2 (default: 0)")
    add_jobs(p)
    p.add_argument("--dask", metavar="ADDRESS", help="run on the cluster of this scheduler instead")
    add_json(p, "results")
    p.set_defaults(run=run)


@dataclass(frozen=True, kw_only=True)
class Described:
    """What ``space.toml`` says, its data loaded."""

    front: FrontGraph
    seen: Arrays
    test: Arrays
    labels: Any
    recipe: Recipe
    space: Mapping[str, Any]
    settings: Mapping[str, Any]
    target: str


def run(args: argparse.Namespace) -> int:
    """Do it."""
    from algos import Prepared, sweep
    from algos.sweep.search import planned
    from algos.sweep.space import Space

    if args.dask and args.jobs != 1:
        raise ValueError(f"--jobs {args.jobs} beside --dask: the cluster has its own workers; leave one of them out")
    check_folder(args.output, RESULTS)
    d = described(args.space)
    space = Space.of(d.space, d.recipe, d.front, d.settings.get("hardware", "edge-int8"))
    total = planned(args.search, space, args.points)
    with workers(args) as executor, bar(total, quiet=args.quiet) as step:
        found = sweep(
            Prepared(front=d.front, recipe=d.recipe), d.seen, d.test, d.space, labels=d.labels, folder=args.output,
            search=args.search, points=args.points, seed=args.seed, executor=executor, step=step,
            measures=(partial(memory, target=d.target),), **d.settings,
        )  # fmt: skip
    tell(args, f"{found}\n\n{args.output}: {', '.join(sorted(p.name for p in args.output.iterdir()))}", found.to_json())
    return 0


def described(path: Path) -> Described:
    """Read a space; ValueError, with the file's name, for keys and values that are unknown, or data that do not fit."""
    try:
        return _described(tomllib.loads(path.read_text()), path.parent)
    except (ValueError, TypeError) as e:
        raise ValueError(f"{path}: {e}") from None


def _described(data: Mapping[str, Any], beside: Path) -> Described:
    for key, value in data.items():
        if key not in KEYS:
            raise ValueError(f"key {key!r} is unknown: use {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise ValueError(f"key {key!r} is {value!r}, must be a {KEYS[key].__name__}")
    front, seen, test, labels = model_of(data, beside)
    if "labels" in data:
        labels = load_labels(str(beside / data["labels"]))
    n = data.get("samples", len(next(iter(test.values()))))
    if not 1 <= n <= len(next(iter(test.values()))) or (labels is not None and len(labels) < n):
        raise ValueError(f"samples = {n}: there are {len(next(iter(test.values())))} samples to measure on")
    name = data["model"]
    base = Recipe(observer=EXAMPLES[name].observer) if name in EXAMPLES else Recipe()
    recipe = Recipe.from_dict({**base.to_dict(), **data["recipe"]}) if "recipe" in data else base
    target = data.get("target", "cortex-m4")
    check_target(target)
    return Described(
        front=front, seen=seen, test={k: x[:n] for k, x in test.items()}, labels=None if labels is None else labels[:n],
        recipe=recipe, space={k: data[k] for k in ("choices", "layers", "each") if k in data}, target=target,
        settings={k: local(k, data[k], beside) for k in ("hardware", "energy_samples", "objectives") if k in data},
    )  # fmt: skip


def local(key: str, value: Any, beside: Path) -> Any:
    """A file of a hardware description is looked for beside the space."""
    return str(beside / value) if key == "hardware" and value.endswith(".toml") else value


def model_of(data: Mapping[str, Any], beside: Path) -> tuple[FrontGraph, Arrays, Arrays, Any]:
    """Float model, calibration data, samples to measure on, classes where known."""
    if not (name := data.get("model", "")):
        raise ValueError(f"key 'model' is missing: {', '.join(EXAMPLES)}, a float .onnx or package.module:function")
    if "calibrate" not in data:
        if name not in EXAMPLES:
            raise ValueError(f"model {name!r} needs calibrate = 'data.npz' (keys are input names)")
        return shipped_model(name)
    path = str(beside / data["calibrate"])
    arrays = load_reals(path)
    if name in EXAMPLES:
        front: Any = shipped_front(name)
    elif name.lower().endswith(".onnx"):
        from codegen.onnx_reader import read_onnx

        front = read_onnx(str(beside / name), {k: x.shape[1:] for k, x in arrays.items()})
    elif ":" in name:
        front = torch_front(name, arrays)
    else:
        raise ValueError(f"model {name!r}: a sweep takes {', '.join(EXAMPLES)}, a float .onnx, package.module:function")
    if not isinstance(front, FrontGraph):
        raise ValueError(f"model {name!r}: is quantized already; a sweep chooses formats of a float model")
    check_reals(path, arrays, front)
    return front, arrays, arrays, None


def check_target(target: str) -> None:
    """ValueError for a target of C that is unknown."""
    from codegen.targets import target_named

    target_named(target)


def memory(graph: Graph, target: str) -> dict[str, int]:
    """Bytes of constants in flash, and of RAM: arena, inputs and outputs of the generated C."""
    from codegen import footprint

    f = footprint(graph, target)
    return {"flash_bytes": f.flash, "ram_bytes": f.arena + f.io}


@contextmanager
def workers(args: argparse.Namespace) -> Iterator[Executor | None]:
    """Where points are measured: here, in processes, or on a Dask cluster."""
    if not args.dask:
        with pool(args.jobs) as executor:
            yield executor
        return
    import distributed

    connect: Any = distributed.Client
    try:
        client = connect(args.dask, timeout=30, set_as_default=False)
    except (OSError, ValueError) as e:
        raise ValueError(f"--dask {args.dask}: no scheduler answers: {e}") from None
    with client:
        yield client.get_executor()


@contextmanager
def bar(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of points that are measured; shows how long the rest takes."""
    if heard():
        yield lambda n: LOG.info(f"{n}/{total} points")
        return
    from tqdm import tqdm

    layout = "{desc} {bar:24} {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"
    with tqdm(total=total, desc="points", file=sys.stderr, disable=quiet, bar_format=layout) as shown:

        def step(measured: int) -> None:
            if not shown.n:
                shown.initial = measured  # Why: what was known before says nothing about the time a point takes
            shown.update(measured - shown.n)

        try:
            yield step
        except BaseException:
            shown.leave = False  # the error line says it all
            raise
