"""The names that an option or an argument takes, for `hwsim completion`: each from where it is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..blockformats import BLOCK_FORMATS
from ..contracts import CONTRACTS
from ..costs.families import FAMILIES
from ..costs.hardware_file import shipped_hardware
from ..costs.technology import shipped
from ..formats import FORMATS
from ..observers import OBSERVERS
from ..recipe import EQUALIZE
from ..rounding import ROUNDINGS
from ..simulation import ENGINES
from .shipped import EXAMPLES


def formats() -> Iterable[str]:
    """Of elements, and of blocks."""
    return (*FORMATS, *BLOCK_FORMATS)


def targets() -> Iterable[str]:
    """Of generated C."""
    from codegen.targets import TARGETS

    return (t.name for t in TARGETS)


def edge_targets() -> Iterable[str]:
    """Of the emulated microcontrollers."""
    from codegen.runners.edge.toolchains import edge_targets

    return edge_targets()


def runners() -> Iterable[str]:
    """Engines that a graph is verified on."""
    from codegen.runners import RUNNERS

    return RUNNERS


def outside() -> Iterable[str]:
    """Engines that a model is explained against."""
    from codegen.outside import OUTSIDE

    return dict.fromkeys((*OUTSIDE, *runners()))


def functions() -> Iterable[str]:
    """That tables are fitted to."""
    from algos.gqa_lut import FUNCTIONS

    return FUNCTIONS


def methods() -> Iterable[str]:
    """Of fitting tables."""
    from algos.gqa_lut import METHODS

    return METHODS


def benches() -> Iterable[str]:
    """What can be measured."""
    from .bench import BENCHES

    return (b.name for b in BENCHES)


def measured() -> Iterable[str]:
    """Models and layers of the benches."""
    from .bench_layers import LAYERS
    from .bench_models import NAMES

    return (*NAMES, *LAYERS)


NAMES: dict[str, Callable[[], Iterable[str]]] = {
    "build model": lambda: EXAMPLES, "compare model": lambda: EXAMPLES, "emit qdq model": lambda: EXAMPLES,
    "train name": lambda: EXAMPLES,
    "weights": formats, "activations": formats, "operands": formats, "residual": formats, "formats": formats,
    "format": formats, "input": formats, "explain input": tuple,
    "accumulator": lambda: ("int16", "int32", "int48", "int64"), "overflow": lambda: ("refuse", "saturate", "wrap"),
    "accumulators": lambda: ("proven", "int16:saturate", "int16:wrap"),
    "contract": lambda: (c.name for c in CONTRACTS), "rounding": lambda: ROUNDINGS, "observer": lambda: OBSERVERS,
    "equalize": lambda: EQUALIZE, "target": targets, "memory target": lambda: (*targets(), "all"),
    "targets": edge_targets, "against": runners, "explain against": outside, "engine": lambda: ENGINES,
    "io": lambda: ("codes", "float"), "hw": shipped_hardware, "estimate compare": shipped_hardware,
    "technology": shipped, "function": functions, "method": methods, "what": benches, "only": measured,
    "synth only": lambda: (f.name for f in FAMILIES), "lib": lambda: ("gate-equivalents", "osu018"),
    "refresh": shipped,
}  # fmt: skip
"""Argument, where it needs saying with its command before it -> its names."""


def names(command: str, argument: str) -> tuple[str, ...]:
    """Names that `argument` of `command` takes; none where it takes none, or what knows them is not installed."""
    known = NAMES.get(f"{command} {argument}") or NAMES.get(argument)
    try:
        return tuple(known()) if known else ()
    except ImportError:
        return ()
