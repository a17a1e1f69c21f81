"""Formats of operands and LLM-FP4 from the command line."""

import pytest

from hwsim import load

QUICK = ("--samples", "8", "--against", "numba", "--quiet")


def operands(graph):
    return {v.name: v.type for v in graph.values() if v.name.endswith(".operand")}


def test_operands_have_the_named_format(hwsim, tmp_path):
    status, _, err = hwsim("build", "mlp", "--weights", "mxfp4", "--operands", "mxfp4", "-o", tmp_path / "b", *QUICK)
    assert (status, err) == (0, "")
    graph = load(tmp_path / "b" / "model.qg")
    assert [n.op.left for n in graph.nodes if n.op.name == "block_matmul"] == [True, True, True]
    assert graph.recipe["operands"] == "mxfp4"


@pytest.mark.parametrize("search", ["additive", "multiplicative"])
def test_llm_fp4_searches_formats_and_scales(hwsim, tmp_path, search):
    formats = ("--weights", "fp4_e2m1", "--operands", "fp4_e2m1")
    plain, found = (tmp_path / name for name in ("plain", "found"))
    assert hwsim("build", "mlp", *formats, "-o", plain, *QUICK).status == 0
    status, _, err = hwsim("build", "mlp", *formats, "--llm-fp4", search, "-o", found, *QUICK)
    assert status == 0, err
    before, after = (operands(load(folder / "model.qg")) for folder in (plain, found))
    assert set(before) == set(after)
    assert all(t.axis is None for t in before.values())
    assert all(t.axis == len(t.shape) - 1 for t in after.values())


def test_llm_fp4_needs_floats_and_a_float_model(hwsim, refused, graph_file, tmp_path):
    assert "operands='fp4_e2m1'" in refused("build", "mlp", "--llm-fp4", "additive", "-o", tmp_path / "b", *QUICK)
    ablated = ("build", "mlp", "--llm-fp4", "additive", "--ablate", "-o", tmp_path / "b", *QUICK)
    assert "--ablate" in refused(*ablated, "--weights", "fp4_e2m1", "--operands", "fp4_e2m1")
    assert "--llm-fp4" in refused("build", graph_file, "--llm-fp4", "additive", "-o", tmp_path / "b", *QUICK)
    status, _, err = hwsim("build", "mlp", "--llm-fp4", "grid", "-o", tmp_path / "b")
    assert status == 2
    assert "grid" in err
