"""What a notebook shows of formats beside each other, on tensors, as weights of a model, or layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from . import wording as w
from .bars_svg import bars
from .notebook import Card, card_html
from .sheet import Sheet, shares

if TYPE_CHECKING:
    from ..ablation import Ablation
    from ..comparison import FormatError
    from .choices import ModelError
    from .fidelity import Comparison

FORMATS = ("format", "bits", "SQNR dB", "mse", "largest error")
MODELS = ("weights", "accumulator", "right", "same as float", "SQNR dB", "largest error")
WIDENED = ("widened layer", "INT16 %", "gain", "float %", "gain ")
LAYERS = ("value", "SQNR dB", "largest error", "in steps")
BLOCKS = ("block", "of", "rows", "mean error", "largest", "steps", "flips", "ties", "row sums")
MOST = 24  # bars of a picture


def tensors_sheets(found: Mapping[str, Sequence[FormatError]]) -> list[Sheet]:
    """Of one tensor all figures; of several a column of SQNR each."""
    if len(found) == 1:
        ((name, rows),) = found.items()
        cells = [[r.format, f"{r.bits:.2f}", _db(r.sqnr_db), f"{r.mse:.3g}", f"{r.max_error:.3g}"] for r in rows]
        return [Sheet(columns=FORMATS, rows=cells, right=FORMATS[1:], title=name)]
    formats = list(dict.fromkeys(r.format for rows in found.values() for r in rows))
    by_name = {name: {r.format: r for r in rows} for name, rows in found.items()}
    names = {name: f"{w.name(name, 30)} dB" for name in found}
    widths = {f: sorted({f"{r[f].bits:.2f}" for r in by_name.values() if f in r}) for f in formats}
    cells = [
        [f, " … ".join([widths[f][0], *widths[f][-1:]] if len(widths[f]) > 1 else widths[f]),
         *(_db(r[f].sqnr_db) if f in r else w.NONE for r in by_name.values())]
        for f in formats
    ]  # fmt: skip
    columns = ("format", "bits", *names.values())
    return [Sheet(columns=columns, rows=cells, right=columns[1:])]


def tensors_html(found: Mapping[str, Sequence[FormatError]]) -> str:
    """Tables, and bars of the signal over the noise."""
    pictures, best = [], max((r.sqnr_db or 0.0 for rows in found.values() for r in rows), default=0.0)
    for name, rows in found.items():
        labels = [f"{r.format}, {r.bits:.2f} bits" for r in rows]
        figures = [f"{_db(r.sqnr_db)} dB" if r.sqnr_db is not None else "exact" for r in rows]
        about = f"{w.name(name, 40)}: SQNR in each format" if name else "SQNR in each format"
        pictures.append(bars(labels, {"SQNR": [r.sqnr_db for r in rows]}, figures, about, best))
    note = "signal over quantization noise; scales from the largest magnitude"
    return card_html(Card(title="Formats", note=note, pictures=pictures, sheets=tensors_sheets(found)))


def models_sheet(rows: Sequence[ModelError]) -> Sheet:
    """A row a choice; what cannot be has its reason in the last column."""
    refused = any(r.refused for r in rows)
    cells = [
        [r.weights, r.accumulator or w.NONE, _share(r.right), _share(r.same), w.sqnr(asdict(r)),
         w.NONE if r.max_error is None else f"{r.max_error:.3g}", *([r.refused] if refused else [])]
        for r in rows
    ]  # fmt: skip
    bad = frozenset(i for i, r in enumerate(rows) if r.refused)
    columns = (*MODELS, "refused") if refused else MODELS
    return Sheet(columns=columns, rows=cells, right=MODELS[2:], bad=bad)


def models_html(rows: Sequence[ModelError]) -> str:
    """Right answers as bars (or those equal to float's), and the table."""
    known = any(r.right is not None for r in rows)
    values = [r.right if known else r.same for r in rows]
    labels = [f"{r.weights} {r.accumulator}".strip() for r in rows]
    figures = ["refused" if r.refused else _share(v) for r, v in zip(rows, values, strict=True)]
    what = "right answers" if known else "same answers as float"
    shown = any(v is not None for v in values)
    pictures = [bars(labels, {what: values}, figures, what)] if shown else []
    samples = max((r.samples for r in rows), default=0)
    note = f"{what if shown else 'outputs against float'}, {samples:,} samples"
    return card_html(Card(title="A model in formats", note=note, pictures=pictures, sheets=[models_sheet(rows)]))


def ablation_sheet(rows: Sequence[Ablation]) -> Sheet:
    """The model as it is, then each layer widened."""
    told = w.ablation([asdict(r) for r in rows])
    cells = [[w.name(r["title"]), r["int16"], r["int16_gain"], r["floating"], r["floating_gain"]] for r in told]
    return Sheet(columns=WIDENED, rows=cells, right=WIDENED[1:])


def ablation_html(rows: Sequence[Ablation]) -> str:
    """The table; the layer that gains most is in the note."""
    base, note = rows[0] if rows else None, ""
    if base and (best := max(rows, key=lambda r: r.int16)).int16 > base.int16:
        note = f"most is gained by {best.layer}: {100 * (best.int16 - base.int16):+.2f} points in INT16"
    return card_html(Card(title="One layer at a time in INT16, and in float", note=note, sheets=[ablation_sheet(rows)]))


def fidelity_html(c: Comparison) -> str:
    """Signal over noise of each value, and softmax and norms against float64."""
    names = list(c.fidelity)
    cells = [
        [w.name(n), w.sqnr(asdict(f)), f"{f.max_error:.4g}", f"{f.max_error_lsb:.2f}"]
        for n, f in c.fidelity.items()
    ]  # fmt: skip
    values = [c.fidelity[n].sqnr_db for n in names]
    sheets = [Sheet(columns=LAYERS, rows=cells, right=LAYERS[1:], title=f"{len(names)} values", folded=len(names) > 12,
                    bars=("SQNR dB", shares(values)))] if names else []  # fmt: skip
    if c.blocks:
        told = [list(r.values()) for r in w.blocks([asdict(b) for b in c.blocks])]
        rows = [[r[1], r[0], *r[2:]] for r in told]
        sheets.append(Sheet(columns=BLOCKS, rows=rows, right=BLOCKS[2:], title="softmax and norms against float64"))
    some = [n for n, f in c.distinct().items() if f.sqnr_db is not None]
    worst = sorted(sorted(some, key=lambda n: c.fidelity[n].sqnr_db or 0.0)[:MOST], key=names.index)
    figures = [f"{w.sqnr(asdict(c.fidelity[n]))} dB" for n in worst]
    label = "SQNR of values" + (f", the {MOST} lowest" if len(some) > MOST else "")
    drawn = bars([w.name(n, 60) for n in worst], {"SQNR": [c.fidelity[n].sqnr_db for n in worst]}, figures, label)
    return card_html(
        Card(
            title="Integers against float",
            note=_answers(c),
            pictures=[drawn] if worst else [],
            sheets=sheets,
        )
    )


def fidelity_line(c: Comparison) -> str:
    """A comparison in one line."""
    known = [f.sqnr_db for f in c.fidelity.values() if f.sqnr_db is not None]
    span = f", SQNR {min(known):.1f} to {max(known):.1f} dB" if known else ""
    return f"Comparison({_answers(c)}, {len(c.fidelity)} values{span}, {len(c.blocks)} blocks)"


def _answers(c: Comparison) -> str:
    if c.integer_answers is None or c.float_answers is None:
        return f"{c.samples:,} samples"
    same = int((c.integer_answers == c.float_answers).sum())
    return f"{c.samples:,} samples, {same:,} answers equal to float's"


def _db(x: float | None) -> str:
    return "exact" if x is None else f"{x:.1f}"


def _share(x: float | None) -> str:
    return w.NONE if x is None else f"{100 * x:.2f} %"
