"""What a sweep found: rows, their Pareto front, and the files that keep them."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hwsim.reports.text import text_table
from hwsim.store import write_atomically

from .bench import Row
from .search import MAXIMIZED, front_of

FIGURES = ("accuracy", "accuracy_se", "same", "sqnr_db", "area_mm2", "logic_mm2", "energy_uj", "latency_ms")
DIGITS = {"accuracy": "{:.2%}", "accuracy_se": "{:.2%}", "same": "{:.2%}", "sqnr_db": "{:.1f}"}
SHOWN = 3  # reasons of refusals
PICTURED = ("energy_uj", "logic_mm2", "latency_ms")


@dataclass(frozen=True, kw_only=True)
class Swept:
    """Rows of a sweep; shows itself as the table of its Pareto front.

    Args:
        rows: settings and figures by name, a row a point, in the order of the grid.
        objectives: figures that the front is of; what is in `MAXIMIZED` shall be large, all else small.
        facts: how it was made.
    """

    rows: tuple[Row, ...] = field(repr=False)
    objectives: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def check(self) -> None:
        """ValueError for objectives that no row has, or rows that are all refused for one reason."""
        reasons = {r["refused"] for r in self.rows}
        if "" not in reasons and len(reasons) == 1:
            raise ValueError(*reasons)  # the fault of the model or of its data, not of a choice
        figures = [name for r in self.rows if not r["refused"] for name in r]
        if unknown := [o for o in self.objectives if figures and o not in figures]:
            raise ValueError(f"sweep: objective {unknown[0]!r} is no figure: use {', '.join(dict.fromkeys(figures))}")

    @property
    def fine(self) -> tuple[Row, ...]:
        """Rows that nothing refused."""
        return tuple(r for r in self.rows if not r["refused"])

    @cached_property
    def refused(self) -> dict[str, int]:
        """Reasons why points cannot be, with their numbers, the most frequent first."""
        counts: dict[str, int] = {}
        for r in self.rows:
            if r["refused"]:
                counts[r["refused"]] = counts.get(r["refused"], 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @cached_property
    def front(self) -> tuple[Row, ...]:
        """The Pareto front: no other row is as good everywhere and better somewhere. The best first."""
        return tuple(self.rows[i] for i in front_of(self.rows, self.objectives))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Of all rows: settings, figures, and at the end the reason of a refusal."""
        names = dict.fromkeys(name for r in self.rows for name in r if name != "refused")
        return (*names, "refused")

    def plot(self, figures: Sequence[str] = PICTURED) -> Any:
        """A Figure: the first objective against each of `figures`, its front marked."""
        from hwsim.reports.pareto_plot import plot_pareto

        shown = [x for x in figures if any(x in r for r in self.fine)]
        fronts = [front_of(self.rows, (self.objectives[0], x)) for x in shown]
        return plot_pareto(self.rows, shown, self.objectives[0], fronts)

    def __str__(self) -> str:
        """The front as a table."""
        titles, cells = self.cells()
        lines = [text_table(titles, cells, right=FIGURES), "", self.summary()]
        return "\n".join(lines)

    def summary(self) -> str:
        """Numbers of points, and why some cannot be."""
        ways = ", ".join(f"{o} {'up' if o in MAXIMIZED else 'down'}" for o in self.objectives)
        text = f"{len(self.rows)} points, {len(self.front)} on the Pareto front ({ways})"
        total = sum(self.refused.values())
        told = list(self.refused.items())[:SHOWN]
        rest = [f"refused for {len(self.refused) - SHOWN} more reasons"] if len(self.refused) > SHOWN else []
        return "\n".join([text, *(f"refused {n} of {total}: {why}" for why, n in told), *rest])

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Titles, and text of the front; settings that are the same in all rows are left out."""
        settings = [c for c in self.columns if c not in ("refused", "utilisation") and self._varies(c)]
        return settings, [[text_of(c, row.get(c)) for c in settings] for row in self.front]

    def _varies(self, column: str) -> bool:
        return column in FIGURES or len({json.dumps(r.get(column)) for r in self.rows}) > 1

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from html import escape

        titles, cells = self.cells()
        head = "".join(f"<th>{escape(t)}</th>" for t in titles)
        body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in cells)
        lines = "<br>".join(escape(line) for line in self.summary().splitlines())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{lines}</p>"

    def to_json(self) -> dict[str, Any]:
        """Facts, objectives, points as rows under one list of columns, numbers of the front's rows."""
        return {
            **self.facts,
            "objectives": list(self.objectives),
            "front": front_of(self.rows, self.objectives),
            "columns": list(self.columns),
            "points": [[r.get(c) for c in self.columns] for r in self.rows],
        }

    def write(self, folder: Path) -> list[str]:
        """Rows as CSV and JSON, with pyarrow as Parquet, with matplotlib a picture as SVG and PNG; the files' names."""
        files = {"results.csv": self.csv(), "results.json": rows_as_json(self.to_json())}
        if importlib.util.find_spec("pyarrow"):
            files["results.parquet"] = self.parquet()
        if importlib.util.find_spec("matplotlib") and self.fine:
            from hwsim.reports.pareto_plot import svg
            from hwsim.reports.table_plot import png

            figure = self.plot()
            files |= {"pareto.png": png(figure), "pareto.svg": svg(figure)}
        for name, data in files.items():
            write_atomically(folder / name, data)
        return list(files)

    def csv(self) -> bytes:
        """One line a point."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([plain(r.get(c)) for c in self.columns] for r in self.rows)
        return text.getvalue().encode()

    def parquet(self) -> bytes:
        """The same, typed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({c: uniform([plain(r.get(c)) for r in self.rows]) for c in self.columns})
        file = pa.BufferOutputStream()
        pq.write_table(table, file)
        return bytes(file.getvalue())


def plain(value: Any) -> Any:
    """Tables of settings as JSON."""
    return json.dumps(value) if isinstance(value, Mapping | list | tuple) else value


def uniform(values: list[Any]) -> list[Any]:
    """A column of one type: numbers if all are, else text."""
    some = [v for v in values if v is not None]
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in some):
        return [None if v is None else float(v) for v in values]
    if all(isinstance(v, bool) for v in some):
        return values
    return [None if v is None else str(v) for v in values]


def text_of(column: str, value: Any) -> str:
    """A cell."""
    if value is None:
        return ""
    if isinstance(value, float):
        return DIGITS.get(column, "{:.4g}").format(value)
    return str(plain(value))


def rows_as_json(document: Mapping[str, Any]) -> bytes:
    """JSON with one line a point."""
    points = ",\n  ".join(json.dumps(p, allow_nan=False) for p in document["points"])
    rest = json.dumps({k: v for k, v in document.items() if k != "points"}, indent=1, allow_nan=False)
    return f'{rest[:-2]},\n "points": [\n  {points}\n ]\n}}\n'.encode()
