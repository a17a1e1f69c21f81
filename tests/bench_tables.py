"""The README's tables about the generated C, written from the records; print them: ``python -m tests.bench_tables``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

EVIDENCE = Path(__file__).parents[1] / "docs/evidence"
OURS = ("C generic", "C x86-64")
FILES = ("TFLM", "LiteRT, reference", "LiteRT, built-in", "LiteRT, XNNPACK")
OWN = ("ONNX Runtime, emit onnx", "ONNX Runtime, its own INT8")
EXACT = "ONNX Runtime, our exact form"
KINDS = (
    *("int8, dyadic16", "int8, tflm_double", "int4, dyadic16"),
    *("ternary, dyadic16", "binary both, dyadic16", "mxfp4, dyadic16"),
)


def record(name: str) -> Any:
    """What a bench has measured."""
    return json.loads((EVIDENCE / f"bench-{name}.json").read_text())[name]


def line(*cells: str) -> str:
    """One row."""
    return f"| {' | '.join(cells)} |"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Head, rule, rows, an empty line."""
    return [line(*head), line(*["---"] * len(head)), *(line(*r) for r in rows), ""]


def host_rows() -> list[str]:
    """CPU microseconds of an inference, an engine a column."""
    found = record("host")["rows"]
    lines = []
    for columns, models in ((FILES, [r for r in found if r["weights"]]), (OWN, [r for r in found if not r["weights"]])):
        columns = (*columns, *OURS)
        rows = []
        for r in models:
            us = {e["engine"].split(", gcc")[0]: f"{e['us']:.1f}" for e in r["rows"]}
            rows.append([f"`{r['model']}`", *(us[c] for c in columns)])
        lines += table(["us an inference", *columns], rows)
    return lines[:-1]


def edge_rows() -> list[str]:
    """Instructions a multiply-accumulate at -O3: layers on a Cortex-M4, a kind a column; whole models by target."""
    found = record("edge")
    per_mac = {(r["what"], r["kind"], r["target"]): f"{r['per_mac']:.2f}" for r in found["rows"] if r["level"] == "-O3"}
    layers = [
        [what, f"{quoted:.2f}", *(per_mac.get((what, k, "cortex-m4"), "") for k in KINDS)]
        for what, quoted in found["cmsis"].items()
    ]
    lines = table(["Cortex-M4", "CMSIS-NN 7, quoted", *(f"`{k}`" for k in KINDS)], layers)
    targets = list(dict.fromkeys(r["target"] for r in found["rows"]))
    models = dict.fromkeys(r["what"] for r in found["rows"] if not r["kind"])
    rows = [[f"`{m}`", *(per_mac.get((m, "", t), "") for t in targets)] for m in models]
    return (lines + table(["whole model", *targets], rows))[:-1]


def simulate_rows() -> list[str]:
    """Milliseconds of a batch by engine: ours from reals, ONNX Runtime's fastest INT8, and who else ran it."""
    found = record("simulate")["rows"]
    settings = dict.fromkeys((r["model"], r["batch"], r["threads"]) for r in found)
    rows = []
    for setting in settings:
        ms = {r["engine"]: r for r in found if (r["model"], r["batch"], r["threads"]) == setting}
        rivals = [r for e, r in ms.items() if e.startswith("ONNX Runtime, ") and e != EXACT]
        best = min(rivals, key=lambda r: r["ms"], default=None)
        others = [[r["ms"] for e, r in ms.items() if e.startswith(name)] for name in (EXACT, "numpy", "qonnx", "TFLM")]
        cells = [f"{best['ms']:.2f}", f"{ms['hwsim']['of_best']:.2f}"] if best else ["", ""]
        cells += [f"{min(times):.1f}" if times else "" for times in others]
        rows.append([f"`{setting[0]}`", *map(str, setting[1:]), f"{ms['hwsim']['ms']:.2f}", *cells])
    head = ["model", "batch", "threads", "hwsim ms", "ORT's fastest INT8 ms", "time over it"]
    return table([*head, "ORT, our exact form", "numpy", "qonnx", "TFLM"], rows)[:-1]


if __name__ == "__main__":
    print("\n".join([*host_rows(), "", *edge_rows(), "", *simulate_rows()]))
