import json
import sys

import numpy as np
import pytest

from algos.gqa_lut import fit, from_json
from hwsim import INT8, QType


def test_the_best_of_several_seeds(hwsim, tmp_path):
    files = tmp_path / "gelu.png", tmp_path / "gelu.json"
    words = ("gelu", "--entries", 8, "--scales", "0..6", "--seeds", 3, "--plot", files[0], "--json", files[1])
    status, out, err = hwsim("fit-lut", *words)
    assert status == 0
    assert "3/3" in err
    got = fit("gelu", 8)
    assert f"mse {got.mse:.3g}" in out
    assert "no worse than the best table" in out
    assert f"breakpoints at 2**-6: {' '.join(map(str, got.stored[6].breakpoints))}" in out
    assert files[0].read_bytes().startswith(b"\x89PNG")
    document = json.loads(files[1].read_text())
    assert from_json(document).stored == got.stored
    assert document["certificate"]["bound"] == got.bound


def test_the_same_words_write_the_same_bytes(hwsim, tmp_path):
    texts = []
    for name in ("a", "b"):
        status, *_ = hwsim("fit-lut", "exp", "--plot", tmp_path / f"{name}.png", "--json", tmp_path / f"{name}.json")
        assert status == 0
        texts.append([(tmp_path / f"{name}.{end}").read_bytes() for end in ("png", "json")])
    assert texts[0] == texts[1]


def test_a_table_a_scale_is_certified(hwsim):
    status, out, err = hwsim("fit-lut", "tanh", "--per-scale", "--scales", "3,5", "--quiet")
    assert (status, err) == (0, "")
    assert "certified" in out
    assert out.count("optimal") == 2
    assert out.count("segment ") == 2


def test_settings_reach_the_fit(hwsim):
    words = ("--input", "uint8", "--scales", "6", "--entries", 16, "--fraction", 6, "--bits", 10, "--span", 0.5, 3)
    status, out, _ = hwsim("fit-lut", "reciprocal", *words, "--method", "uniform", "--quiet")
    assert status == 0
    assert "161" in out
    assert "10 bits" in out
    assert "2**-6" in out


def test_refusals_are_one_line(refused, tmp_path, blocked):
    quiet = "--quiet"
    assert "'gelo'" in refused("fit-lut", "gelo", quiet)
    assert "0..x" in refused("fit-lut", "gelu", "--scales", "0..x", quiet)
    assert "holds no exponents" in refused("fit-lut", "gelu", "--scales", "6..2", quiet)
    assert "entries 1" in refused("fit-lut", "gelu", "--entries", 1, quiet)
    assert "--seeds 0" in refused("fit-lut", "gelu", "--seeds", 0, quiet)
    assert "--seed -1" in refused("fit-lut", "gelu", "--seed", -1, quiet)
    assert "fp4_e2m1" in refused("fit-lut", "gelu", "--input", "fp4_e2m1", quiet)
    assert "'best'" in refused("fit-lut", "gelu", "--method", "best", quiet)
    assert "nan" in refused("fit-lut", "gelu", "--span", "nan", 1, quiet)
    assert str(blocked.parent) in refused("fit-lut", "gelu", "--plot", blocked, quiet)
    assert str(tmp_path) in refused("fit-lut", "gelu", "--json", tmp_path, quiet)


def test_a_plot_without_matplotlib(refused, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install matplotlib" in refused("fit-lut", "exp", "--plot", tmp_path / "a.png", "--quiet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["gelu", "exp"])
def test_what_is_printed_is_what_the_table_gives(hwsim, name):
    _, out, _ = hwsim("fit-lut", name, "--quiet")
    got = fit(name)
    for row in got.rows:
        line = next(text for text in out.splitlines() if text.startswith(f"2**-{row.scale} "))
        assert line.split()[1:4] == [str(row.codes), f"{row.mse:.3g}", f"{row.max_error:.3g}"]
    k = np.array(got.stored[0].slopes)
    assert [
        int(line.split()[1]) for line in out.splitlines() if len(line.split()) == 3 and line.split()[0].isdigit()
    ] == k.tolist()


def test_a_function_of_the_users_on_several_processes(hwsim, tmp_path, monkeypatch):
    (tmp_path / "swooshes.py").write_text("import math\nswoosh = lambda x: max(x, 0.0) * math.tanh(x)\n")
    monkeypatch.chdir(tmp_path)
    words = ("fit-lut", "swooshes:swoosh", "--span", -4, 4, "--entries", 5, "--seeds", 2, "--quiet", "--json")
    one, two = (hwsim(*words, tmp_path / f"{jobs}.json", "--jobs", jobs) for jobs in (1, 2))
    assert one.status == two.status == 0
    assert one.out.replace("1.json", "2.json") == two.out
    document = json.loads((tmp_path / "2.json").read_text())
    assert document == json.loads((tmp_path / "1.json").read_text())
    assert from_json(document, fn=lambda x: np.maximum(x, 0) * np.tanh(x), span=(-4, 4)).mse == pytest.approx(
        document["certificate"]["mse"]
    )
    sys.modules.pop("swooshes")


def test_refusals_of_functions_and_jobs(refused):
    assert "--span LOW HIGH" in refused("fit-lut", "math:sin", "--quiet")
    assert "no module 'nowhere'" in refused("fit-lut", "nowhere:f", "--span", 0, 1, "--quiet")
    assert "'many'" in refused("fit-lut", "gelu", "--jobs", "many")


def test_a_rounded_result(hwsim, refused):
    status, out, _ = hwsim("fit-lut", "gelu", "--output", "int8:2**-5", "--scales", "4,5", "--quiet")
    assert status == 0
    got = fit("gelu", 8, scales=(4, 5), out=QType((), INT8, 2.0**-5))
    assert f"mse {got.mse:.3g}, bound {got.bound:.3g}" in out
    assert (
        f"rounded to int8 at step 0.03125; before: mse {got.unrounded.mse:.3g}, bound {got.unrounded.bound:.3g}" in out
    )
    assert "no table beats" in out
    assert "'int8'" in refused("fit-lut", "gelu", "--output", "int8", "--quiet")
    assert "fp4_e2m1" in refused("fit-lut", "gelu", "--output", "fp4_e2m1:2**-1", "--quiet")
    assert "int9000" in refused("fit-lut", "gelu", "--output", "int9000:2**-1", "--quiet")
