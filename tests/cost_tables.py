"""The README's tables about hardware, from recorded netlists; print them: ``python -m tests.cost_tables``."""

from __future__ import annotations

import json

from hwsim.app.bench_area import PAPER_OPERATORS, PAPER_PWL, operator_areas, pwl_savings, saving
from hwsim.costs.technology import shipped, technology_named
from tests.bench_tables import EVIDENCE, table

AGAINST = ("INT16", "BF16", "INT32", "FP32")
HARDWARE = {"edge-int8": "INT8", "edge-int4": "INT4", "edge-fp4": "MXFP4", "edge-fp32": "FP32"}


def pwl_rows() -> list[str]:
    """What INT8 saves in area / in power, percent."""
    rows = []
    for entries in (8, 16):
        for name in shipped():
            found = pwl_savings(technology_named(name), entries)
            rows.append([f"{name}, {entries} entries", *(f"{found[a][0]:.1f} / {found[a][1]:.1f}" for a in AGAINST)])
        if entries == 8:
            rows.append(["GQA-LUT, TSMC 28 nm, 8 entries", *map(_paper, AGAINST)])
    return table(["saved by INT8, area % / power %", *(f"against {a}" for a in AGAINST)], rows)[:-1]


def _paper(name: str) -> str:
    if (name, 8) not in PAPER_PWL:
        return ""
    return " / ".join(f"{saving(s, w):.1f}" for s, w in zip(PAPER_PWL["INT8", 8], PAPER_PWL[name, 8], strict=True))


def operator_rows() -> list[str]:
    """Areas of FP4 E2M1's operators, relative to INT4's."""
    rows = []
    for name in shipped():
        found = operator_areas(technology_named(name))
        o = found["fp4_e2m1"]
        int4 = found["int4"]
        multiples = f"{int4.exact_multiples:.2f} / {int4.float_multiples:.2f}"
        cells = (o.adder, o.multiplier, o.exact_mac, o.float_mac, o.exact_share)
        rows.append([name, *(f"{v:.2f}" for v in cells), multiples])
    paper_multiple = PAPER_OPERATORS["int4"][2] / PAPER_OPERATORS["int4"][1]
    paper = [v / base for v, base in zip(PAPER_OPERATORS["fp4_e2m1"], PAPER_OPERATORS["int4"], strict=True)]
    rows.append(["LLM-FP4, TSMC 40 nm", *(f"{v:.2f}" for v in paper), "", "", f"{paper_multiple:.2f}"])
    head = ["E2M1 / INT4", "adder", "multiplier", "MAC, exact", "MAC, float adder", "E2M1 MAC, exact / float"]
    head.append("INT4 MAC in multipliers, exact / float")
    return table(head, rows)[:-1]


def model_rows() -> list[str]:
    """Formats of whole models on the shipped hardware."""
    data = json.loads((EVIDENCE / "costs.json").read_text())
    rows = []
    for model, found in data.items():
        for r in found["rows"]:
            memory = r["energy_uj"]["sram"] + r["energy_uj"]["dram"]
            score = r.get("accuracy", r.get("mean"))
            cells = [f"{score:.4f}", f"{r['logic_mm2']:.2f}", f"{r['total_uj'] - memory:.1f}", f"{memory:.1f}"]
            rows.append([f"{model}, {HARDWARE[r['hardware']]}", *cells, f"{r['latency_ms']:.2f}"])
    head = ["", "accuracy, cosine", "logic mm2", "logic uJ", "SRAM and DRAM uJ (literature)", "ms"]
    return table(head, rows)[:-1]


def narrow_text() -> str:
    """What proven accumulators save."""
    data = json.loads((EVIDENCE / "costs.json").read_text())
    texts = []
    for model, found in data.items():
        (before,), (after,) = [r for r in found["rows"] if r["hardware"] == "edge-int8"], found["narrow"]
        bits = "/".join(map(str, after["accumulators"].values()))
        area = (before["logic_mm2"] - after["logic_mm2"]) * 1e6
        energy = (before["total_uj"] - after["total_uj"]) * 1e6
        share = 100 * energy / (before["energy_uj"]["compute"] * 1e6)
        saved = f"{area:,.0f} um2 and {energy:,.0f} pJ a sample ({share:.0f} % of its arithmetic)"
        texts.append(f"{model} {bits} bits for 32, {saved}")
    return "; ".join(texts)


def main() -> None:
    """Print them."""
    print("\n".join([*pwl_rows(), "", *operator_rows(), "", *model_rows(), "", narrow_text()]))


if __name__ == "__main__":
    main()
