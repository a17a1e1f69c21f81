import json
import sys

from hwsim import Recipe, save

from ..reports.networks import HOSTILE, lowered, small_front

TIMES = "\N{MULTIPLICATION SIGN}"


def test_table_and_totals(hwsim, graph_file):
    status, out, err = hwsim("show", graph_file)
    assert (status, err) == (0, "")
    assert "scores.acc" in out
    assert "MACs        45 a sample" in out
    assert "flash" in out


def test_the_first_lines_say_what_it_is(hwsim, graph_file, tmp_path):
    out = hwsim("show", graph_file).out
    assert f"small: 5 nodes\n\ninputs      x N {TIMES} 2 {TIMES} 3 int8, step " in out
    assert f"outputs     scores N {TIMES} 3 int8, step " in out
    assert "contract    2 x dyadic16 (16-bit multiplier and one shift)\n" in out
    assert "recipe      weights int8, activations int8\n" in out
    recipe = Recipe(weights="int4", contract="pow2", power_of_two=True, overrides=(("relu1", {"weights": "int8"}),))
    save(lowered(small_front(), recipe), tmp_path / "other.qg")
    out = hwsim("show", tmp_path / "other.qg").out
    assert "2 x pow2 (shift only)" in out
    assert "recipe      weights int4, activations int8, power_of_two True, contract pow2, overrides of relu1\n" in out


def test_memory_is_that_of_its_own_command(hwsim, graph_file):
    document = json.loads(hwsim("show", graph_file, "--json").out)
    assert document["contracts"] == {"dyadic16": 2}
    alone = json.loads(hwsim("memory", graph_file, "--no-code", "--json").out)
    assert document["memory"] == {key: value for key, value in alone.items() if key != "code"}
    (line,) = (x for x in hwsim("memory", graph_file, "--no-code").out.splitlines() if x.startswith("arenas"))
    assert line.split(maxsplit=1)[1] in hwsim("show", graph_file).out


def test_json(hwsim, graph_file):
    document = json.loads(hwsim("show", graph_file, "--json").out)
    assert document["totals"]["macs"] == 45
    assert document["layers"][2]["bits_needed"] <= document["layers"][2]["bits_declared"] == 32
    assert document["model"]["inputs"][0]["shape"] == ["N", 2, 3]
    assert document["recipe"]["weights"] == "int8"


def test_hostile_names_keep_to_their_cells(hwsim, tmp_path):
    save(lowered(small_front(HOSTILE, HOSTILE)), tmp_path / "h.qg")
    status, out, _ = hwsim("show", tmp_path / "h.qg")
    assert status == 0
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) < 300
    assert json.loads(hwsim("show", tmp_path / "h.qg", "--json").out)["model"]["name"] == HOSTILE


def test_where_there_is_no_c_it_says_why(hwsim, graph_file, monkeypatch):
    def no(graph, target):
        raise ValueError("no template")

    monkeypatch.setattr("codegen.memory_map.memory_map", no)
    status, out, _ = hwsim("show", graph_file)
    assert status == 0
    assert "no C, so no memory: no template" in out


def test_it_needs_no_package_beyond_the_core(hwsim, graph_file, monkeypatch):
    for name in ("codegen", "codegen.memory_map"):
        monkeypatch.setitem(sys.modules, name, None)
    status, out, _ = hwsim("show", graph_file)
    assert status == 0
    assert "no C, so no memory" in out


def test_the_witness_of_an_accumulator(hwsim, graph_file):
    status, out, err = hwsim("show", graph_file, "--witness", "scores.acc")
    found = json.loads(hwsim("show", graph_file, "--witness", "scores.acc", "--json").out)
    assert (status, err) == (0, "")
    assert f"scores.acc: {found['bits']} of 32 bits" in out
    assert f"reaches {found['sum']} at {found['at']}; {found['bits'] - 1} bits overflow there" in out
    assert " ".join(map(str, found["witness"])) in out
    shown = json.loads(hwsim("show", graph_file, "--json").out)["layers"]
    assert found["bits"] == next(x for x in shown if x["value"] == "scores.acc")["bits_needed"]


def test_a_witness_too_long_for_the_terminal_and_a_wrong_name(hwsim, refused, graph_file, monkeypatch):
    monkeypatch.setattr("hwsim.app.show.SHOWN", 2)
    assert "(5 codes, all with --json)" in hwsim("show", graph_file, "--witness", "scores.acc").out
    assert "matmul or conv2d" in refused("show", graph_file, "--witness", "x")
