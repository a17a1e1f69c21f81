"""The README's Python runs as it stands, and its commands exist."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hwsim.app import main
from hwsim.app.shipped import EXAMPLES
from tests import cost_tables
from tests.bench_tables import edge_rows, host_rows, simulate_rows

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_quick_start_runs(capsys) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 16
    exec(compile(code, "README.md", "exec"), {})
    assert "onnx_reference" in capsys.readouterr().out


def test_every_command_is_described(capsys) -> None:
    described = set(re.findall(r"^\| `hwsim ([\w-]+)", README, re.M))
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.split("COMMAND\n")[1].split("options:")[0]
    assert described == set(re.findall(r"^    ([\w-]+)  ", listed, re.M))


def test_the_figures_are_the_recorded_ones() -> None:
    names = ("vit-tiny", "mlp", "resnet8", "ds-cnn")
    rows = {
        cells[0]: cells[1:] for line in README.splitlines() if (cells := [c.strip() for c in line.split("|")][1:-1])
    }
    for column, name in enumerate(names):
        found = json.loads((ROOT / f"docs/evidence/{name}.json").read_text())[name]
        (ptq,) = [r for r in found["ptq"] if (r["contract"], r["observer"]) == ("dyadic16", EXAMPLES[name].observer)]
        single = {"mean": ptq["accuracy"], "same": ptq["same"], "float_mean": found["float_accuracy"]}
        widths = {(r["weights"], r["activations"]): r for r in found["summary"]}
        int8 = widths.pop(("int8", "int8"), single)
        assert rows["float"][column] == percent(int8["float_mean"])
        assert rows["INT8, calibrated"][column] == f"{percent(int8['mean'])} ({percent(int8['same'])})"
        for (weights, activations), r in widths.items():
            title = f"{weights.upper()} weights, {activations.upper()} activations, LSQ"
            assert r["seeds"] == 3
            assert rows[title][column] == f"{percent(r['mean'])} ({percent(r['spread'])})"


def recorded(name: str) -> Any:
    """The only model in a record."""
    (found,) = json.loads((ROOT / f"docs/evidence/{name}.json").read_text()).values()
    return found


def flat() -> str:
    """The README in one line."""
    return " ".join(README.split())


@pytest.mark.parametrize("rows", [cost_tables.pwl_rows, cost_tables.operator_rows, cost_tables.model_rows])
def test_the_figures_about_hardware_are_the_recorded_ones(rows: Callable[[], list[str]]) -> None:
    wanted = [row for row in rows() if row]
    assert cost_tables.narrow_text() in flat()
    assert len(wanted) > 4
    assert not [row for row in wanted if row not in README.splitlines()]


def test_the_figures_about_fitted_tables_are_the_recorded_ones() -> None:
    record, text = recorded("tables"), flat()
    before, after = record["summary"]
    assert [record["entries"], before["seeds"], before["trained"], after["trained"]] == [8, 3, False, True]
    assert f"{percent(before['fitted'])} in place of {percent(before['whole'])}" in text
    assert f"give {percent(before['same'])} % of the float answers" in text
    assert f"{percent(after['fitted'])} in place of {percent(after['whole'])}" in text
    assert max(before["worst"], after["worst"]) <= 0.003
    shares = [max(c["ours"]) / c["published"] for c in recorded("lut")["cells"] if c["published"]]
    assert len(shares) == 10
    assert f"{100 * min(shares):.0f} to {100 * max(shares):.0f} % of theirs in ten of ten cells" in text


def test_the_figures_about_minilm_are_the_recorded_ones() -> None:
    record, text = recorded("minilm"), flat()
    rows = {row["name"]: row for row in record["recipes"]}
    whole, fitted = rows["docs/minilm.toml"], rows["tables of 8 segments"]
    assert (record["sentences"], f"{record['sentences']} sentences" in text) == (500, True)
    assert whole["mean"] >= 0.995
    assert fitted["mean"] >= 0.99
    assert f"{whole['mean']:.4f} (least {whole['least']:.3f})" in text
    assert f"with tables of 8 segments {fitted['mean']:.4f}" in text
    assert f"plain min-max {rows['plain min-max']['mean']:.4f}" in text
    assert f"INT8 residual stream {rows['INT8 residual stream']['mean']:.2f}" in text


def test_the_figures_about_formats_are_the_recorded_ones() -> None:
    record = json.loads((ROOT / "docs/evidence/formats.json").read_text())
    rows = {
        cells[0]: cells[1:] for line in README.splitlines() if (cells := [c.strip() for c in line.split("|")][1:-1])
    }
    for title, model, figure in (
        ("ViT, % right", "vit-tiny", lambda r: percent(r["accuracy"])),
        ("MiniLM-L6, cosine", "minilm", lambda r: f"{r['mean']:.4f}"),
    ):
        alone = {r["weights"]: figure(r) for r in record[model]["rows"] if "operands" not in r}
        names = [name.strip("`") for name in rows["weights"]]
        assert rows[title] == [alone[name] for name in names]
        assert len(names) == 10
        both = {
            r["weights"] + ", LLM-FP4" * ("search" in r): figure(r) for r in record[model]["rows"] if "operands" in r
        }
        names = [name.replace("`", "") for name in rows["weights and operands"]]
        assert rows[f"{title}, both"] == [both[name] for name in names]
        assert set(names) == set(both)
    vit, sentences = (record[model]["ternary"] for model in ("vit-tiny", "minilm"))
    right = [r["accuracy"] for r in vit]
    mean, spread = sum(right) / 3, max(right) - min(right)
    assert f"the ViT gives {percent(mean)} ({percent(spread)})" in flat()
    assert f"MiniLM-L6 a cosine of {sentences[0]['mean']:.2f} after {sentences[0]['steps']} steps" in flat()


def test_the_figures_about_llm_fp4_are_the_recorded_ones() -> None:
    record = json.loads((ROOT / "docs/evidence/llm-fp4.json").read_text())
    cells = {c[0]: c[1:] for line in README.splitlines() if (c := [c.strip() for c in line.split("|")][1:-1])}
    methods = ("int4 min-max", "fp4 min-max", "fpq baseline", "llm-fp4")
    assert [name.lower() for name in cells["4-bit weights and operands"]] == list(methods)
    for title, model, metric, figure in (
        ("SmolLM2-135M, error of layers, %", "smollm2", "mean_error", percent),
        ("SmolLM2-135M, perplexity", "smollm2", "perplexity", lambda x: f"{x:,.0f}"),
        ("ViT, error of layers, %", "vit-tiny", "mean_error", percent),
        ("ViT, % right, searched", "vit-tiny", "accuracy", percent),
    ):
        found = [[r[metric] for r in record[model]["rows"] if r["method"] == m] for m in methods]
        assert all(len(rows) == 3 for rows in found)
        assert cells[title] == [f"{figure(sum(x) / 3)} ({figure(max(x) - min(x))})" for x in found]
    for model, layers in (("smollm2", 210), ("vit-tiny", 25)):
        by = {(r["method"], r["seed"]): r["errors"] for r in record[model]["rows"]}
        ratios = [
            by["llm-fp4", s][layer] / by[base, s][layer]
            for s in range(3) for base in methods[:2] for layer in by["llm-fp4", s]
        ]  # fmt: skip
        assert len(ratios) == 6 * layers
        assert sum(r < 1 for r in ratios) >= 0.95 * len(ratios)
        assert max(ratios) <= 1.02
    assert f"{record['smollm2']['float_perplexity']:.1f} in float" in flat()


def test_every_format_was_verified_on_every_engine() -> None:
    text = (ROOT / "docs/evidence/verify-formats.txt").read_text()
    names = ("int8", "int4", "int4_g32", "mxfp4", "nvfp4", "fp4_e2m1", "ternary")
    wanted = {f"{model}-{name}.qg" for model in ("vit-tiny", "minilm") for name in names} | {"smollm2-block.qg"}
    assert set(re.findall(r"[\w-]+\.qg", text)) == wanted
    rows = [line.split() for line in text.splitlines() if re.match(r"(numba|c|ort|onnx_reference) ", line)]
    assert len(rows) == 10 * len(wanted)
    assert all(row[4] == "0" for row in rows)
    assert text.count("equal: ") == len(wanted)


def percent(share: float) -> str:
    return f"{100 * share:.2f}"


def test_links_lead_somewhere() -> None:
    assert [t for t in re.findall(r"\]\(([^)#:]+)\)", README) if not (ROOT / t).exists()] == []


def test_the_figures_of_outside_models_are_the_recorded_ones() -> None:
    found = recorded("magika")
    rows = {r["entries"]: r for r in found["rows"] if r["observer"] == "mse"}
    assert (
        f"{rows[16]['clear_same']} of {found['clear_files']} files of clear type with tables of 16 segments" in flat()
    )
    assert f"on {rows[8]['clear_same']} with 8; on files of all types" in flat()
    assert f"on {rows[16]['same']} and {rows[8]['same']} of {found['files']}" in flat()
    lines = (ROOT / "docs/evidence/tflite.txt").read_text().splitlines()
    assert len(lines) == 6 * 4, "four wake words and two models of MLPerf Tiny, two engines and C under two contracts"
    assert all(": equal: " in line for line in lines)
    sessions = recorded("bench-qdq")["rows"]
    assert {r["entry"] for r in sessions} == {"", "disable_quant_qdq"}
    means = {e: sum(r["differ"] for r in sessions if r["entry"] == e) for e in ("", "disable_quant_qdq")}
    assert means["disable_quant_qdq"] < means[""]


def test_the_figures_about_the_generated_c_are_the_recorded_ones() -> None:
    assert [line for line in (*host_rows(), *edge_rows()) if line not in README] == []


def test_the_figures_of_the_simulator_are_the_recorded_ones() -> None:
    assert [line for line in simulate_rows() if line not in README] == []
