"""The options that say how a float model is quantized."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from ..formats import IntFormat, format_named
from ..recipe import Recipe
from .shipped import EXAMPLE, EXAMPLES

FLAGS = {
    "weights": "format of weights, such as int8, int4, mxfp4, nvfp4, int4_g32",
    "activations": "format of activations, such as int8 or int16",
    "operands": "format of what linear layers and products read, such as fp4_e2m1, mxfp4 (default: activations)",
    "residual": "format of a transformer's residual stream, such as int16",
    "accumulator": "of linear and convolution layers, such as int16 (default: proven, the first of int32, 48, 64)",
    "overflow": "what that accumulator does when it is full: refuse, saturate, wrap",
    "contract": "requantization contract: dyadic16, pow2, tfl_single, tflm_double, onnx_float",
    "rounding": "of dyadic16 and pow2: half_up, half_even, half_away, floor, toward_zero",
    "observer": "calibration rule: minmax, percentile, mse",
    "equalize": "channel equalization: none, weights, activations",
}


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add ``--recipe`` and a flag for each plain setting."""
    group = parser.add_argument_group("quantization (flags win over the recipe)")
    group.add_argument("--recipe", metavar="R.TOML", help="settings as TOML, with overrides per layer")
    for flag, text in FLAGS.items():
        group.add_argument(f"--{flag}", metavar="NAME", help=text)
    text = "search formats and scales of float weights and operands, LLM-FP4: additive, or multiplicative as published"
    group.add_argument("--llm-fp4", choices=("additive", "multiplicative"), help=text)
    text = "fit piecewise-linear tables of N segments for all nonlinear functions, such as 8 (default: whole tables)"
    group.add_argument("--tables", type=int, metavar="N", help=text)
    parser.set_defaults(choice=None)


def given(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that were used."""
    return {flag: getattr(args, flag) for flag in (*FLAGS, "tables") if getattr(args, flag) is not None}


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe file, or the model's default, with the flags on top, and one choice of a comparison above all."""
    shipped = EXAMPLES.get(args.model or EXAMPLE)
    default = Recipe(observer=shipped.observer) if shipped else Recipe()
    recipe = Recipe.from_toml(args.recipe) if args.recipe else default
    flags = given(args)
    if "overflow" in flags:
        flags["datapath"] = {**asdict(recipe.datapath), "overflow": flags.pop("overflow")}
    if "tables" in flags:
        from algos.gqa_lut import tables  # Why here: nothing else about a recipe needs a search

        entries = flags.pop("tables")
        made = Recipe.from_dict({**recipe.to_dict(), **flags})
        fmt = format_named(made.activations)
        if not isinstance(fmt, IntFormat) or not fmt.signed or fmt.bits > 16:
            raise ValueError(f"--tables {entries}: tables read signed integers of at most 16 bits, not {fmt.name}")
        flags["tables"] = tables(entries=entries, fmt=fmt, softmax=made.softmax)
    made = Recipe.from_dict({**recipe.to_dict(), **flags})
    if args.rounding and made.contract not in ("dyadic16", "pow2"):
        raise ValueError(f"--rounding {args.rounding}: {made.contract} fixes its own rounding; use dyadic16 or pow2")
    return args.choice.of(made) if args.choice else made
