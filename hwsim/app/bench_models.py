"""The models that ``hwsim bench host`` and ``edge`` measure: shipped ones, and ``.tflite`` files of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..formats import Codes
from ..front import FrontGraph
from ..graph import Graph
from ..inputs import as_codes
from .bench_layers import LAYERS
from .bench_qdq import job
from .data import Arrays, random_codes
from .shipped import EXAMPLES

TINY = Path("../shared/data/mlperf_tiny")
TINY_MODELS = {"kws": "kws_ref_model", "ad01": "ad01_int8"}
WAKE_WORDS = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")
NAMES = (*TINY_MODELS, *WAKE_WORDS, *EXAMPLES)
CONTRACT = "tflm_double"
SAMPLES = 16  # that engines are compared on


@dataclass(frozen=True, kw_only=True)
class Model:
    """Something to measure.

    Args:
        name: as the user calls it.
        graph: the integer graph; a ``.tflite`` with TFLM's bits.
        inputs: codes of `SAMPLES` samples, or steps where the graph has states.
        file: content of the ``.tflite``.
        front, reals: the float model of a shipped one, and reals to calibrate it on.
    """

    name: str
    graph: Graph
    inputs: dict[str, Codes]
    file: bytes = b""
    front: FrontGraph | None = None
    reals: Arrays = field(default_factory=dict)


def add_models(p: Any) -> None:
    """Describe the options."""
    text = (
        f"host, edge: what to measure, of {', '.join(NAMES)}, or a .tflite; edge: also a layer, {', '.join(LAYERS)} "
        "(default: all that is there)"
    )
    p.add_argument("--only", nargs="+", metavar="MODEL", default=[], help=text)
    p.add_argument(
        "--tiny", type=Path, default=TINY, metavar="DIR", help=f"host, edge: MLPerf Tiny's .tflite (default: {TINY})"
    )


def chosen(only: Sequence[str], tiny: Path, also: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Names to measure, and a line for each that is not there.

    Args:
        only: what the user asks for; empty is everything.
        tiny: folder of MLPerf Tiny's models.
        also: names that are no models and are kept.

    Raises:
        ValueError: an unknown name, a missing file that was asked for.
    """
    wanted = list(dict.fromkeys(only)) or [*also, *NAMES]
    known = {*also, *EXAMPLES}
    if unknown := [n for n in wanted if n not in known and n not in NAMES and not n.lower().endswith(".tflite")]:
        raise ValueError(f"bench: --only {', '.join(unknown)}: use a .tflite or {', '.join([*also, *NAMES])}")
    missing = {n: path for n in wanted if n not in known and not (path := _path(n, tiny)).exists()}
    if missing and only:
        raise ValueError(f"bench: {', '.join(map(str, missing.values()))}: no such file; see --only, --tiny")
    return [n for n in wanted if n not in missing], [f"{n} left out: no file {p}" for n, p in missing.items()]


def model_named(name: str, tiny: Path) -> Model:
    """The model, read or made."""
    return shipped(name) if name in EXAMPLES else outside(name, _path(name, tiny))


def shipped(name: str) -> Model:
    """A shipped network in INT8."""
    made = job(name, "int8")
    codes = {v.name: as_codes(v, made.inputs[v.name][:SAMPLES]) for v in made.graph.inputs}
    return Model(name=name, graph=made.graph, inputs=codes, front=made.front, reals=made.inputs)


def outside(name: str, path: Path) -> Model:
    """A ``.tflite`` on random codes."""
    from codegen import read_tflite

    graph = read_tflite(path, CONTRACT)
    codes = random_codes(graph, SAMPLES, seed=0)
    given = {n: x for n, x in codes.items() if n not in graph.states}
    return Model(name=name, graph=graph, inputs=given, file=path.read_bytes())


def _path(name: str, tiny: Path) -> Path:
    if name in TINY_MODELS:
        return tiny / f"{TINY_MODELS[name]}.tflite"
    if name not in WAKE_WORDS:
        return Path(name)
    found = find_spec("pymicro_wakeword")
    folder = Path(found.origin).parent / "models" if found and found.origin else Path("pymicro_wakeword")
    return folder / f"{name}.tflite"
