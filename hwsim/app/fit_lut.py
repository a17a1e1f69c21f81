"""``hwsim fit-lut``: a piecewise-linear table for a function, and how far it is from the best possible one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from ..formats import IntFormat, format_named
from ..qtensor import QType
from ..reports.table_plot import check_matplotlib, plot_table
from ..reports.text import text_table
from .folder import check_file, place, write_folder
from .loading import user_function
from .output import add_json, tell
from .pool import add_jobs, pool
from .progress import steps

EXAMPLES = """examples:
  hwsim fit-lut gelu
  hwsim fit-lut gelu --entries 8 --scales 0..6 --seeds 5 --plot gelu.png --json gelu.json
  hwsim fit-lut exp --per-scale                one table a scale: certified optimal
  hwsim fit-lut gelu --method paper --seed 42  the published table
  hwsim fit-lut reciprocal --input uint8 --scales 6 --entries 16
  hwsim fit-lut gelu --output int8:2**-5       the result's format is known: rounding to it counts as error
  hwsim fit-lut mymodule:swoosh --span -6 6    a Python function of yours, of a float or of numpy arrays

The input's step is 2**-n, n being one of --scales; slopes and intercepts are shared by all scales, breakpoints are not.
Errors are taken over all input codes inside --span; codes outside take the first or the last segment.
The bound is the best table of each scale alone, by dynamic programming, among those that do as ours: outer segments
are the function's own lines where codes lie outside the span (0 and x for gelu), and exp(0) = 1 exactly. Results are
not rounded; with --output they are, and the bound is then the error of the nearest numbers of that format: no table
beats it, but none need reach it."""
SCALE_COLUMNS = ("step", "codes", "mse", "largest error", "bound", "above bound")
ENTRY_COLUMNS = ("segment", "slope", "intercept")
MOST_SEEDS = 1000


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "fit-lut",
        description="Fit a piecewise-linear table to a nonlinear function, in the integers that hardware keeps.",
        epilog=EXAMPLES,
    )
    p.add_argument("function", metavar="FUNCTION", help="such as gelu, exp, rsqrt, or package.module:function")
    p.add_argument("--entries", type=int, default=8, metavar="N", help="segments (default: 8)")
    p.add_argument("--scales", type=exponents, metavar="N..M", help="exponents n, such as 0..6 or 3,5")
    p.add_argument("--method", default="ours", help="ours, paper, nn-lut, continuous, uniform (default: ours)")
    p.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    p.add_argument("--seeds", type=int, default=1, metavar="K", help="how many seeds; the best table is kept")
    add_jobs(p)
    p.add_argument("--input", default="int8", metavar="FORMAT", help="format of input codes (default: int8)")
    p.add_argument(
        "--output", type=output, metavar="FORMAT:2**E", help="format and step of the result, to be rounded to"
    )
    p.add_argument("--fraction", type=int, metavar="BITS", help="fractional bits of slopes and intercepts")
    p.add_argument("--bits", type=int, metavar="BITS", help="width of slopes and intercepts")
    p.add_argument("--span", type=float, nargs=2, metavar=("LOW", "HIGH"), help="interval that the error is taken over")
    p.add_argument("--per-scale", action="store_true", help="slopes and intercepts of their own for each scale")
    p.add_argument("--plot", type=place, metavar="FILE.png", help="draw function, table, error and breakpoints")
    add_json(p, "the table, in the form GQA-LUT publishes,")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.plot is not None:
        check_file(args.plot)
        check_matplotlib()
    if not 1 <= args.seeds <= MOST_SEEDS or args.seed < 0:
        raise ValueError(f"fit-lut: --seeds {args.seeds} from --seed {args.seed}; take 1..{MOST_SEEDS} seeds from 0 on")
    fits = fit_all(args)
    best = min(fits, key=lambda f: f.mse)
    text = described(fits, best)
    if args.plot is not None:
        curves = [best.curve(n) for n in best.task.scales]
        write_folder(args.plot.parent, {args.plot.name: plot_table(str(best), curves)})
        text += f"\n\nplot: {args.plot}"
    from algos.gqa_lut import to_json

    tell(args, text, to_json(best))
    return 0


def described(fits: Sequence[Any], best: Any) -> str:
    """The best fit in words and tables."""
    from algos.gqa_lut.shown import above

    parts = []
    if len(fits) > 1:
        parts.append(text_table(("seed", "mse"), [[str(f.seed), figure(f.mse)] for f in fits], right=("seed", "mse")))
    parts.append(str(best))
    if (out := best.task.out) is not None:
        before = f"mse {figure(best.unrounded.mse)}, bound {figure(best.unrounded.bound)}"
        parts.append(f"rounded to {out.fmt.name} at step {out.scale:g}; before: {before}")
    rows = [[f"2**-{r.scale}", str(r.codes), *map(figure, (r.mse, r.max_error, r.bound)), above(r)] for r in best.rows]
    parts += [text_table(SCALE_COLUMNS, rows, right=SCALE_COLUMNS[1:]), verdict(best), coefficients(best)]
    return "\n\n".join(parts)


def exponents(text: str) -> tuple[int, ...]:
    """``0..6`` or ``3,5`` as numbers."""
    if m := re.fullmatch(r"(\d{1,2})\.\.(\d{1,2})", text):
        found = tuple(range(int(m[1]), int(m[2]) + 1))
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} holds no exponents; the smaller one comes first")
        return found
    if re.fullmatch(r"\d{1,2}(,\d{1,2})*", text):
        return tuple(int(part) for part in text.split(","))
    raise argparse.ArgumentTypeError(f"{text!r} must be exponents such as 0..6 or 3,5")


def output(text: str) -> QType:
    """``int8:2**-4`` as a type."""
    if not (m := re.fullmatch(r"(\w+):2\*\*(-?\d{1,2})", text)):
        raise argparse.ArgumentTypeError(f"{text!r} must be a format and a step such as int8:2**-4")
    return QType((), format_named(m[1]), 2.0 ** int(m[2]))


def fit_all(args: argparse.Namespace) -> list[Any]:
    """One fit a seed."""
    from algos.gqa_lut.fitting import each_seed

    fmt = format_named(args.input)
    if not isinstance(fmt, IntFormat):
        raise ValueError(f"fit-lut: --input {args.input}: inputs must be of an integer format")
    settings = {"scales": args.scales, "fmt": fmt, "fraction": args.fraction, "bits": args.bits}
    settings |= {"span": None if args.span is None else tuple(args.span), "shared": not args.per_scale}
    settings["out"] = args.output
    fits, seeds = [], range(args.seed, args.seed + args.seeds)
    with steps(args.seeds, quiet=args.quiet) as step, pool(min(args.jobs, args.seeds)) as executor:
        found = each_seed(function(args), args.entries, seeds=seeds, executor=executor, method=args.method, **settings)
        for seed in seeds:
            step(f"{args.function}, seed {seed}")
            fits.append(next(found))
            _ = fits[-1].rows  # the certificate is part of the work that the bar shows
    return fits


def function(args: argparse.Namespace) -> Any:
    """A name, or the user's function."""
    if ":" not in args.function:
        return args.function
    if args.span is None:
        raise ValueError(f"fit-lut: {args.function} needs --span LOW HIGH, the interval to fit")
    return user_function(args.function, tuple(args.span))


def verdict(fit: Any) -> str:
    """What the certificate says, in one sentence."""
    if fit.task.out is not None:
        return rounded(fit)
    if fit.inexact:
        at = ", ".join(f"{x:g}" for x in fit.inexact)
        missed = f"not exact at {at}, where the tables that the bound is taken over are"
        return f"below the bound: {missed}" if fit.gap < 0 else f"{ratio(fit)}; {missed}"
    if fit.gap < 0:
        return (
            "below the bound: the outer segments are not the function's own, so codes outside the span may be far off"
        )
    return ratio(fit)


def rounded(fit: Any) -> str:
    """How far the table is from the nearest numbers of the result's format."""
    if fit.gap == 0:
        return f"certified: every result is the nearest {fit.task.out.fmt.name} number"
    return f"{1 + fit.gap:.3g} times the error of the nearest {fit.task.out.fmt.name} numbers, which no table beats"


def ratio(fit: Any) -> str:
    """How far the table is from what the certificate bounds."""
    exact = [f"{x:g}" for x in fit.task.function.exact] if any(fit.task.pins(n).any() for n in fit.task.scales) else []
    own = ["whose outer segments are the function's own lines"] if any(fit.task.tails) else []
    which = " and ".join([*([f"that is exact at {', '.join(exact)}"] if exact else []), *own])
    if fit.gap == 0:
        return f"certified: no table in this format{' ' * bool(which)}{which} is better"
    text = f"at most {1 + fit.gap:.4g} times the least possible error{' of a table ' * bool(which)}{which}"
    if fit.common is not None and fit.task.shared:
        relation = "no worse than" if fit.mse <= fit.common * (1 + 1e-9) else f"{fit.mse / fit.common:.3g} times"
        text += (
            f"; {relation} the best table whose breakpoints are the same reals at every scale ({figure(fit.common)})"
        )
    return text


def coefficients(fit: Any) -> str:
    """Slopes, intercepts and the breakpoints of every scale as integers; a block a scale where nothing is shared."""
    task, shared = fit.task, len({s[1:] for s in fit.stored.values()}) == 1
    lines = [f"slopes and intercepts: {task.bits} bits, in units of 2**-{task.fraction}"]
    for n, (breakpoints, slopes, intercepts) in fit.stored.items():
        if n == task.scales[0] or not shared:
            rows = [[str(i), str(k), str(b)] for i, (k, b) in enumerate(zip(slopes, intercepts, strict=True))]
            lines.append(text_table(ENTRY_COLUMNS, rows, right=ENTRY_COLUMNS) + "\n")
        lines.append(f"breakpoints at 2**-{n}: {' '.join(map(str, breakpoints))}")
    return "\n".join(lines)


def figure(x: float) -> str:
    """Three digits."""
    return f"{x:.3g}"
