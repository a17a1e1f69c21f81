"""``hwsim params``: multiplier, shift and offsets of a ratio or of scales, for every contract and both conventions.

    ours                  y = round(x * multiplier >> shift)               right-positive shift
    TFLite, CMSIS-NN      y = x * multiplier * 2**(shift - 31)             Q31 multiplier, left-positive shift

Source: TFLite's QuantizeMultiplier and CalculateActivationRange; CMSIS-NN's cmsis_nn_fc_params.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np

from ..cmsis_nn import NAMES, LayerParameters, layers, real_ratio
from ..contracts import CONTRACTS, Contract, Dyadic16, OnnxFloat, Pow2, quantize_multiplier
from ..formats import IntFormat, format_named
from ..reports.text import text_table
from ..rounding import check_rounding
from .graphs import add_contract, load_graph
from .output import add_json, tell

EXAMPLES = """examples:
  hwsim params 0.0123
  hwsim params --input-scale 0.0078125 --weight-scale 0.004 --output-scale 0.05
  hwsim params --input-scale 0.05 --weight-scale 0.01 0.02 0.03 --output-scale 0.1 \\
      --input-zero-point -128 --output-zero-point 4 --activation relu --layer conv
  hwsim params --multiplier 1518500250 --shift -7          back: the ratio, and how every contract applies it
  hwsim params --model kws.tflite --c                      of every layer, as CMSIS-NN initializers

In a real layer ratio = input_scale * weight_scale / output_scale, one a channel where weights are per channel.
.tflite and .onnx files keep scales as float32: add --float32 to round what you type to that first."""
COLUMNS = ("contract", "channel", "multiplier", "shift right", "Q31 multiplier", "shift left", "ratio applied", "error")
LAYER_COLUMNS = (
    *("layer", "kind", "channels", "multiplier", "shift", "input_offset", "output_offset"),
    *("activation", "contract"),
)


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "params",
        description="Requantization constants of every contract, in this project's and in TFLite / CMSIS-NN's form.",
        epilog=EXAMPLES,
    )
    p.add_argument("ratio", metavar="RATIO", type=float, nargs="*", help="input lsb / output lsb, one or one a channel")
    p.add_argument("--input-scale", type=float, metavar="X", help="step of the input")
    p.add_argument(
        "--weight-scale", type=float, metavar="W", nargs="+", help="step of the weights, one or one a channel"
    )
    p.add_argument("--output-scale", type=float, metavar="Y", help="step of the output")
    p.add_argument("--input-zero-point", type=int, default=0, metavar="ZX", help="as files say it (default: 0)")
    p.add_argument("--output-zero-point", type=int, default=0, metavar="ZY", help="the same (default: 0)")
    p.add_argument("--activation", choices=("none", "relu", "relu6"), default="none", help="clamp of the output")
    p.add_argument("--format", default="int8", help="of the output (default: int8)")
    p.add_argument("--rounding", default="half_up", help="of dyadic16 and pow2 (default: half_up)")
    p.add_argument("--float32", action="store_true", help="round the scales to float32 first, as files keep them")
    p.add_argument("--layer", choices=tuple(NAMES), default="fc", help="whose struct to print (default: fc)")
    p.add_argument("--multiplier", type=int, metavar="M", help="go back: the ratio that constants apply")
    p.add_argument("--shift", type=int, metavar="S", help="with --multiplier; its sign by --convention")
    text = "of --shift: tflite (M * 2**(S - 31)) or ours (M * 2**-S); default: tflite"
    p.add_argument("--convention", choices=("tflite", "ours"), default="tflite", help=text)
    p.add_argument("--model", metavar="FILE", help="every layer of a .qg, or of a quantized .tflite or .onnx")
    add_contract(p)
    p.add_argument("--c", action="store_true", help="with --model: C initializers")
    add_json(p, "the constants")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    check_rounding(args.rounding)
    if args.model:
        return run_model(args)
    if args.c or args.contract:
        raise ValueError("params: --c and --contract need --model FILE")
    ratios = ratios_of(args)
    rows = [row for c in CONTRACTS for row in contract_rows(c, ratios, args.rounding)]
    offsets = offsets_of(args)
    text = [
        f"ratio  {', '.join(f'{r!r}' for r in ratios)}\n",
        text_table(COLUMNS, [cells(r) for r in rows], right=COLUMNS[1:]),
        "".join(f"\n{reason}" for reason in dict.fromkeys(r["reason"] for r in rows if "reason" in r)),
        "\nours: y = round(x * multiplier >> shift right); TFLite, CMSIS-NN: y = x * Q31 * 2**(shift left - 31)",
        f"dyadic16, pow2: rounding {args.rounding}; tfl_single and tflm_double differ in their rounding alone\n",
        *(f"{key:<22}{value:>6}" for key, value in offsets.items()),
        f"\n{cmsis(args.layer, ratios, offsets)}",
    ]
    tell(args, "\n".join(text), {"ratios": ratios, "contracts": rows, **offsets})
    return 0


def run_model(args: argparse.Namespace) -> int:
    """The parameters of every layer of a file."""
    if args.ratio or args.multiplier is not None or args.input_scale is not None:
        raise ValueError(f"params: {args.model} says its own scales; leave the numbers out")
    found = list(layers(load_graph(args)))
    if args.c:
        text = "\n\n".join(p.c() for p in found)
    else:
        text = text_table(LAYER_COLUMNS, [layer_cells(p) for p in found], right=LAYER_COLUMNS[2:7])
        text += (
            "\n\nmultiplier, shift: Q31, left where positive, of the first channel; --json and --c print all channels"
        )
    tell(args, text, [asdict(p) for p in found])
    return 0


def layer_cells(p: LayerParameters) -> list[str]:
    """One line of a model's table."""
    numbers = (len(p.multipliers), p.multipliers[0], p.shifts[0], p.input_offset, p.output_offset)
    return [p.name[:40], p.kind, *map(str, numbers), f"{p.activation[0]} .. {p.activation[1]}", p.contract]


def ratios_of(args: argparse.Namespace) -> list[float]:
    """The ratios given, or made of the scales; ValueError unless exactly one of the two, all finite and > 0."""
    if (args.multiplier is None) != (args.shift is None):
        raise ValueError("params: --multiplier and --shift come together")
    if args.multiplier is not None:
        if args.ratio or args.input_scale is not None:
            raise ValueError("params: give RATIO, scales, or --multiplier and --shift, one of them")
        return [real_ratio(args.multiplier, args.shift, args.convention)]
    scales = (args.input_scale, args.weight_scale, args.output_scale)
    if bool(args.ratio) == any(s is not None for s in scales) or (not args.ratio and None in scales):
        raise ValueError("params: give RATIO, or all of --input-scale, --weight-scale and --output-scale")
    numbers = [stored(n, args.float32) for n in (*args.ratio, *(args.weight_scale or ()))]
    ends = [stored(s, args.float32) for s in (args.input_scale, args.output_scale) if s is not None]
    for n in (*numbers, *ends):
        if not (np.isfinite(n) and n > 0):
            raise ValueError(f"params: {n!r} must be finite and > 0")
    return numbers if args.ratio else [ends[0] * n / ends[1] for n in numbers]


def stored(scale: float, float32: bool) -> float:
    """The scale as a file with float32 scales keeps it, if asked for."""
    return float(np.float32(scale)) if float32 else scale


def contract_rows(contract: type[Contract], ratios: list[float], rounding: str) -> list[dict[str, Any]]:
    """One row a ratio; where a contract cannot apply it, the row says why."""
    rows = []
    for channel, ratio in enumerate(ratios):
        try:
            made = contract.of(ratio, rounding)
        except ValueError as e:
            rows.append({"contract": contract.name, "channel": channel, "reason": str(e)})
            continue
        applied = float(made.ratio[0])
        if not applied:
            rows.append(
                {"contract": contract.name, "channel": channel, "reason": f"{contract.name}: ratio {ratio!r} becomes 0"}
            )
            continue
        rows.append(
            {
                "contract": contract.name,
                "channel": channel,
                **constants(made),
                "ratio": applied,
                "relative_error": applied / ratio - 1,
            }
        )
    return rows


def constants(made: Any) -> dict[str, Any]:
    """Multiplier and right shift, and the same number as Q31 multiplier and left shift."""
    if isinstance(made, OnnxFloat):
        return {"scale_float32": made.scale[0]}
    shift = made.shift[0]
    if isinstance(made, Pow2):
        return {"multiplier": 1, "shift_right": shift, "q31": 1 << 30, "shift_left": 1 - shift}
    m = made.multiplier[0]
    if isinstance(made, Dyadic16):
        return {"multiplier": m, "shift_right": shift, "q31": m << 15, "shift_left": 16 - shift}
    return {"multiplier": m, "shift_right": 31 - shift, "q31": m, "shift_left": shift}


def cells(row: dict[str, Any]) -> list[str]:
    """One line of the table."""
    start = [row["contract"], str(row["channel"])]
    if "reason" in row:
        return [*start, *["-"] * 6]
    end = [f"{row['ratio']:.12g}", f"{row['relative_error']:+.2e}" if row["relative_error"] else "exact"]
    if "scale_float32" in row:
        return [*start, "float32", "-", "-", "-", *end]
    return [*start, *(str(row[k]) for k in ("multiplier", "shift_right", "q31", "shift_left")), *end]


def offsets_of(args: argparse.Namespace) -> dict[str, int]:
    """Offsets from zero points (the input's sign flips), and the clamp of the activation in output codes."""
    fmt, zero = format_named(args.format), args.output_zero_point
    if not isinstance(fmt, IntFormat) or not fmt.min_int <= zero <= fmt.max_int:
        raise ValueError(
            f"params: output zero point {zero} is no code of {args.format}; take a code of an integer format"
        )
    low, high = fmt.min_int, fmt.max_int
    if args.activation != "none":
        low = zero
    if args.activation == "relu6":
        if args.output_scale is None:
            raise ValueError("params: --activation relu6 needs --output-scale")
        six = np.floor(6 / stored(args.output_scale, args.float32) + 0.5)
        high = int(min(high, zero + six))
    return {
        "input_offset": -args.input_zero_point,
        "output_offset": zero,
        "activation_min": low,
        "activation_max": high,
    }


def cmsis(layer: str, ratios: list[float], offsets: dict[str, int]) -> str:
    """The constants as CMSIS-NN initializers, ready to paste; convolutions with strides of 1."""
    try:
        multipliers, shifts = quantize_multiplier(ratios)
    except ValueError as e:
        return f"no CMSIS-NN parameters: {e}"
    made = LayerParameters(
        name="",
        kind=layer,
        multipliers=multipliers,
        shifts=shifts,
        input_offset=offsets["input_offset"],
        output_offset=offsets["output_offset"],
        activation=(offsets["activation_min"], offsets["activation_max"]),
    )
    return made.c()
