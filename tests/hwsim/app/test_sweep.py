import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("matplotlib")
SPACE = """
model = "mlp"
samples = 64
energy_samples = 2
[choices]
weights = ["int8", "int4", "int2"]
rounding = ["half_up", "half_even", "floor"]
hardware = ["edge-int8", "edge-int4"]
"""
POINTS = 18


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """What one process finds that nothing disturbs."""
    from hwsim.app import main

    folder = tmp_path_factory.mktemp("serial")
    (folder / "space.toml").write_text(SPACE)
    assert main(["sweep", str(folder / "space.toml"), "-o", str(folder / "out"), "--quiet"]) == 0
    return folder / "out"


def command(space, out, *more):
    return [sys.executable, "-m", "hwsim", "sweep", str(space), "-o", str(out), "--quiet", *more]


def wait_for(path, lines, process, seconds=60):
    """Until a file has so many lines."""
    end = time.monotonic() + seconds
    while not path.exists() or len(path.read_bytes().splitlines()) < lines:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)


def same(a, b):
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in ("results.csv", "pareto.svg"))


def test_results(hwsim, serial, space, tmp_path):
    """What is there is not measured again, and shown as JSON too."""
    names = {"points.jsonl", "results.csv", "results.json", "pareto.png", "pareto.svg"}
    assert names <= {p.name for p in serial.iterdir()}
    status, out, err = hwsim("sweep", space, "-o", serial, "--json")
    assert (status, f"{POINTS}/{POINTS}" in err) == (0, True)
    document = json.loads(out)
    assert len(document["points"]) == POINTS
    assert {"accuracy", "accuracy_se", "sqnr_db", "flash_bytes", "ram_bytes", "latency_ms"} <= set(document["columns"])
    assert document["model"] == "mlp"


def test_flash_and_ram_are_those_of_the_c(serial):
    from codegen import footprint
    from hwsim import Recipe
    from hwsim.app.models import shipped_model
    from hwsim.quantization import quantize_model

    front, seen, *_ = shipped_model("mlp")
    f = footprint(quantize_model(front, [seen], Recipe(weights="int4", rounding="floor")).graph, "cortex-m4")
    document = json.loads((serial / "results.json").read_text())
    rows = [dict(zip(document["columns"], p, strict=True)) for p in document["points"]]
    row = next(r for r in rows if (r["weights"], r["rounding"]) == ("int4", "floor"))
    assert (row["flash_bytes"], row["ram_bytes"]) == (f.flash, f.arena + f.io)


def test_killed_it_goes_on(serial, space, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(command(space, out)) as process:
        wait_for(out / "points.jsonl", 1 + 2, process)
        os.kill(process.pid, signal.SIGKILL)
    known = (out / "points.jsonl").read_bytes()
    assert 2 <= len(known.splitlines()) - 1 < POINTS - 4, "every line is written at once"
    with (out / "points.jsonl").open("ab") as f:
        f.write(b'{"at": [2,')
    subprocess.run(command(space, out), check=True, stdout=subprocess.DEVNULL)
    assert (out / "points.jsonl").read_bytes().startswith(known[: known.rfind(b"\n") + 1])
    assert same(out, serial)


def test_dask_loses_nothing_when_a_worker_is_killed(serial, space, tmp_path):
    """A scheduler and two processes; one of them is killed with the work in its hands."""
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "out"
    places = {"local_directory": str(tmp_path / "dask"), "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, **places) as cluster:
        sweep = command(space, out, "--dask", cluster.scheduler_address)
        with subprocess.Popen(sweep, stdout=subprocess.DEVNULL) as process:
            wait_for(out / "points.jsonl", 1 + 2, process)
            os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            assert process.wait(120) == 0
    assert same(out, serial)


def test_refusals(refused, space, tmp_path):
    out = tmp_path / "out"
    for text, *words in (
        ("model = 3", "'model'", "str"),
        ("", "'model'", "vit-tiny"),
        ("modle = 'mlp'", "'modle'"),
        ("model = 'none'", "calibrate"),
        ("model = 'mlp'", "axes"),
        (SPACE.replace("64", "9999"), "9999", "512"),
        (SPACE.replace("floor", "flor"), "'flor'"),
        (SPACE.replace("edge-int4", "edge-int5"), "edge-int5"),
        ("target = 'pdp11'\n" + SPACE, "pdp11"),
        ("model = [", "space.toml"),
    ):
        space.write_text(text)
        line = refused("sweep", space, "-o", out, "--quiet")
        assert all(w in line for w in words), line
    space.write_text(SPACE)
    assert "nobody" not in refused("sweep", space, "-o", out, "--points", 3, "--quiet")
    assert "--jobs" in refused("sweep", space, "-o", out, "--jobs", 2, "--dask", "tcp://127.0.0.1:1")


def test_another_space_in_the_folder(refused, serial, space):
    space.write_text(SPACE.replace('"int2"', '"ternary"'))
    assert "another folder" in refused("sweep", space, "-o", serial, "--quiet")
