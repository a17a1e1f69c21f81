"""Every figure about fitted tables in a whole model: full test sets, through `hwsim.simulate`, row by row.

``python -m algos.table_evidence FILE`` measures the ViT: whole tables, tables of 8 segments for all its functions, and
each of them after training, the tables in the loop.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .evidence import PLANS, Record, bench_of, default_recipe
from .gqa_lut import TRANSFORMER, tables
from .lsq import LSQ

# Why these: the first that were tried; short and slow, because there is next to nothing to win back.
KNOBS = LSQ(epochs=2, rate=1e-4, distill=True)


def measure(name: str, path: Path, *, seeds: int = 3, entries: int = 8) -> None:
    """Rows of one model with float models of seeds 0, 1 ... into the JSON file `path`."""
    record = Record(name, path)
    record.put({"entries": entries, "functions": list(TRANSFORMER), **asdict(KNOBS), "rows": []})
    fitted = tables(TRANSFORMER, entries)
    for seed in range(seeds):
        bench = bench_of(name, path.parent, seed)
        for which, chosen in (("whole", {}), ("fitted", fitted)):
            common = {"seed": seed, "tables": which, "samples": len(bench.labels), "float_accuracy": bench.accuracy}
            recipe = replace(default_recipe(name), tables=chosen)
            record.add("rows", {**common, "trained": False, **bench.post_training(recipe)})
            after = bench.tuned(PLANS[name], replace(recipe, observer="mse"), replace(KNOBS, seed=seed))
            record.add("rows", {**common, "trained": True, **after})
    record.put({"summary": summary(record.data["rows"])})


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the seeds, and what fitted tables lose: the mean, and the most in one seed."""
    found = []
    for done in (False, True):
        whole, fitted = (
            [r for r in rows if (r["trained"], r["tables"]) == (done, which)] for which in ("whole", "fitted")
        )
        loss = [a["accuracy"] - b["accuracy"] for a, b in zip(whole, fitted, strict=True)]
        mean = {
            key: sum(r["accuracy"] for r in some) / len(some) for key, some in (("whole", whole), ("fitted", fitted))
        }
        same = sum(r["same"] for r in fitted) / len(fitted)
        found.append(
            {
                "trained": done,
                "seeds": len(loss),
                **mean,
                "same": same,
                "loss": sum(loss) / len(loss),
                "worst": max(loss),
            }
        )
    return found


def main() -> None:
    """The command in the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m algos.table_evidence", description="Measure fitted tables again.")
    parser.add_argument("path", type=Path, metavar="FILE", help="JSON")
    parser.add_argument("--seeds", type=int, default=3, help="float models (default: 3)")
    args = parser.parse_args()
    measure("vit-tiny", args.path, seeds=args.seeds)


if __name__ == "__main__":
    main()
