import json

import numpy as np
import pytest

from hwsim.contracts import CONTRACTS, contract_named

EXACT = 2.0**-6


def rows_of(hwsim, *words):
    status, out, err = hwsim("params", *words, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


def test_both_conventions_name_the_same_number(hwsim):
    document = rows_of(hwsim, 0.0123, EXACT, 1.7)
    for row in document["contracts"]:
        if "multiplier" not in row:
            continue
        ours = row["multiplier"] * 2.0 ** -row["shift_right"]
        theirs = row["q31"] * 2.0 ** (row["shift_left"] - 31)
        assert ours == theirs == row["ratio"]
        assert 2**30 <= row["q31"] < 2**31


def test_rows_are_what_the_contracts_say(hwsim):
    ratio = 0.0123
    rows = {r["contract"]: r for r in rows_of(hwsim, ratio)["contracts"]}
    assert list(rows) == [c.name for c in CONTRACTS]
    assert "power of two" in rows["pow2"]["reason"]
    for name in ("dyadic16", "tfl_single", "tflm_double", "onnx_float"):
        made = contract_named(name).of(ratio)
        assert rows[name]["ratio"] == made.ratio[0]
        assert rows[name]["relative_error"] == made.ratio[0] / ratio - 1
    # the worked example of TFLite's QuantizeMultiplier: frexp(0.0123) = 0.7872 * 2**-6
    assert (rows["tfl_single"]["q31"], rows["tfl_single"]["shift_left"]) == (round(0.7872 * 2**31), -6)


def test_scales_make_one_ratio_a_channel(hwsim):
    words = ("--input-scale", 0.05, "--weight-scale", 0.01, 0.02, "--output-scale", 0.1)
    assert rows_of(hwsim, *words)["ratios"] == [0.05 * 0.01 / 0.1, 0.05 * 0.02 / 0.1]
    x, w, y = (float(np.float32(s)) for s in (0.05, 0.01, 0.1))
    assert rows_of(hwsim, *words, "--float32")["ratios"][0] == x * w / y


def test_offsets_and_clamps(hwsim):
    words = ("--input-scale", 0.05, "--weight-scale", 0.01, "--output-scale", 0.1)
    zero = ("--input-zero-point", -128, "--output-zero-point", 4)
    d = rows_of(hwsim, *words, *zero, "--activation", "relu6")
    keys = ("input_offset", "output_offset", "activation_min", "activation_max")
    assert [d[k] for k in keys] == [128, 4, 4, 64]
    d = rows_of(hwsim, *words, *zero, "--activation", "relu")
    assert [d[k] for k in keys] == [128, 4, 4, 127]
    assert [rows_of(hwsim, 0.5, "--format", "uint8")[k] for k in keys] == [0, 0, 0, 255]


def test_text_has_initializers_to_paste(hwsim):
    out = hwsim("params", 0.5).out
    assert "cmsis_nn_per_tensor_quant_params quant_params = { .multiplier = 1073741824, .shift = 0 };" in out
    assert "int32_t shifts[2] = { 0, -1 };" in hwsim("params", 0.5, 0.25).out
    assert "exact" in out


def test_ratios_out_of_reach_have_reasons(hwsim):
    status, out, _ = hwsim("params", 1e20)
    assert status == 0
    assert "dyadic: ratio 1e+20 needs shift -51" in out
    assert "no CMSIS-NN parameters" in out


@pytest.mark.parametrize(
    ("words", "culprit"),
    [
        ((), "give RATIO"),
        (("0.5", "--input-scale", "1"), "give RATIO"),
        (("--input-scale", "1", "--output-scale", "1"), "give RATIO"),
        (("nan",), "nan"),
        (("inf",), "inf"),
        (("0",), "0.0"),
        (("--", "-0.5"), "-0.5"),
        (("half",), "half"),
        (("1e-60", "--float32"), "0.0"),
        (("--input-scale", "0", "--weight-scale", "1", "--output-scale", "1"), "0.0"),
        (("0.5", "--activation", "relu6"), "--output-scale"),
        (("0.5", "--output-zero-point", "300"), "300"),
        (("0.5", "--format", "fp4_e2m1"), "fp4_e2m1"),
        (("0.5", "--format", "int9"), "int9"),
        (("0.5", "--rounding", "up"), "'up'"),
    ],
)
def test_bad_numbers_are_named(refused, words, culprit):
    assert culprit in refused("params", *words)


def test_back_from_constants(hwsim):
    assert rows_of(hwsim, "--multiplier", 1 << 30, "--shift", -7)["ratios"] == [2.0**-8]
    assert rows_of(hwsim, "--multiplier", 40000, "--shift", 20, "--convention", "ours")["ratios"] == [40000 / 2**20]
    exact = {
        r["contract"]
        for r in rows_of(hwsim, "--multiplier", 1 << 30, "--shift", -7)["contracts"]
        if r["relative_error"] == 0
    }
    assert exact == {c.name for c in CONTRACTS}


def test_every_layer_of_a_model(hwsim, graph_file):
    status, out, _ = hwsim("params", "--model", graph_file)
    assert status == 0
    found = json.loads(hwsim("params", "--model", graph_file, "--json").out)
    assert found
    assert all(p["name"][:40] in out for p in found)
    text = hwsim("params", "--model", graph_file, "--c").out
    assert text.count("_params = {") == 2 * len(found)


def test_constants_and_files_are_refused_together(refused, graph_file):
    assert "together" in refused("params", "--multiplier", 5)
    assert "one of them" in refused("params", 0.5, "--multiplier", 5, "--shift", 1)
    assert "its own scales" in refused("params", 0.5, "--model", graph_file)
    assert "--model" in refused("params", 0.5, "--c")
