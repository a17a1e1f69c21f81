"""Start-up and memory of `hwsim.simulate`, in fresh processes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from ..graph import Graph
from ..reports.text import text_table
from ..store import save
from .bench_simulate_models import MINILM, SHIPPED, Subject, present, subject
from .bench_simulate_record import Aim
from .data import dump_npz

REPEATS = 5
IMPORT = """
import json, sys, time
start = time.perf_counter()
import hwsim
print(json.dumps({"seconds": time.perf_counter() - start, "torch": "torch" in sys.modules}))
"""
FIRST = """
import json, sys, time
import hwsim, numpy as np
start = time.perf_counter()
graph, inputs = hwsim.load(sys.argv[1]), dict(np.load(sys.argv[2]))
loaded = time.perf_counter()
hwsim.simulate(graph, inputs)
print(json.dumps({"load": loaded - start, "first": time.perf_counter() - loaded}))
"""
MEMORY = """
import json, sys
import hwsim, numpy as np
def line(name):
    return next(1024 * int(x.split()[1]) for x in open("/proc/self/status") if x.startswith(name))
plain = line("VmRSS")
import numba, llvmlite.binding
imported = line("VmRSS")
graph, inputs = hwsim.load(sys.argv[1]), dict(np.load(sys.argv[2]))
loaded, loading = line("VmRSS"), line("VmHWM")
open("/proc/self/clear_refs", "w").write("5")
hwsim.simulate(graph, inputs)
found = {"import": plain, "imported": imported, "loaded": loaded, "loading": loading, "simulating": line("VmHWM")}
print(json.dumps(found))
"""
"""Why VmHWM: what getrusage calls the peak begins with that of the process before exec. A 5 begins it anew."""
ROWS = ("bytes of", "MB")


def start(rounds: int, missing: list[str]) -> tuple[str, Any, list[Aim]]:
    """``import hwsim``, and the first simulation after it, with numba's cache on disk as an earlier process left it."""
    imports = [fresh(IMPORT) for _ in range(REPEATS)]
    seconds, torch = median(r["seconds"] for r in imports), any(r["torch"] for r in imports)
    aims = [Aim(what="import hwsim, seconds", figure=seconds, limit=0.4, most=True)]
    aims.append(Aim(what="import hwsim imports torch (1: yes)", figure=int(torch), limit=0, most=True))
    figures: dict[str, Any] = {"import": seconds, "torch": torch, "first": {}}
    table = [["import hwsim", f"{seconds:.2f}", ""]]
    for name in SHIPPED:
        made = subject(name)
        with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
            files = stored(made, Path(folder))
            runs = [fresh(FIRST, *files) for _ in range(1 + REPEATS)][1:]
        first, load = (median(r[part] for r in runs) for part in ("first", "load"))
        figures["first"][name] = {"load": load, "first": first}
        table.append([f"{name}, {made.samples} samples", f"{first:.2f}", f"{load:.2f}"])
        aims.append(Aim(what=f"{name}: load and first simulation, seconds", figure=first + load, limit=2, most=True))
    columns = ("in a fresh process, warm cache", "seconds", "to load the graph")
    return text_table(columns, table, right=columns[1:]), figures, aims


def memory(rounds: int, missing: list[str]) -> tuple[str, Any, list[Aim]]:
    """Peak of a process that simulates MiniLM, beside its weights and the largest layer."""
    if not Path("/proc/self/statm").exists():
        missing.append("memory left out: this system has no /proc")
        return "", {}, []
    _, absent = present([MINILM], Path())
    if absent:
        missing.extend(absent)
        return "", {}, []
    made = subject(MINILM)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        files = stored(made, Path(folder))
        found = [fresh(MEMORY, *files) for _ in range(2)][-1]
    weights = sum(t.codes.nbytes for t in made.graph.constants.values())
    layer = largest(made.graph, made.samples)
    peak = max(found["loading"], found["simulating"]) - found["imported"]
    sizes = {
        "constants, unpacked": weights,
        f"largest layer's inputs and outputs, {made.samples} samples": layer,
        "RSS after import hwsim": found["import"],
        "RSS after import numba too": found["imported"],
        "RSS after the graph is loaded": found["loaded"],
        "peak RSS while it is loaded": found["loading"],
        "peak RSS while it is simulated": found["simulating"],
        "highest peak less imports": peak,
    }
    text = text_table(ROWS, [[n, f"{b / 1e6:.1f}"] for n, b in sizes.items()], right=ROWS[1:])
    what = "MiniLM: peak RSS less RSS after imports, over weights and largest layer"
    return text, sizes, [Aim(what=what, figure=peak / (weights + layer), limit=1.5, most=True)]


def largest(graph: Graph, samples: int) -> int:
    """Bytes of the values that are no constants, of the node with most of them."""

    def size(value: Any) -> int:
        return 0 if value.name in graph.constants else samples * value.type.elements * value.type.fmt.dtype.itemsize

    return max(sum(size(v) for v in {v.name: v for v in (*n.ins, *n.outs)}.values()) for n in graph.nodes)


def stored(made: Subject, folder: Path) -> tuple[str, str]:
    """The graph and its batch as files."""
    save(made.graph, folder / "model.qg")
    (folder / "inputs.npz").write_bytes(dump_npz(made.inputs))
    return str(folder / "model.qg"), str(folder / "inputs.npz")


def fresh(script: str, *words: str) -> Any:
    """What a new process of this Python prints as JSON."""
    ran = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    if ran.returncode:
        raise RuntimeError(f"bench simulate: a fresh process failed: {ran.stderr.strip().splitlines()[-1]}")
    return json.loads(ran.stdout)
