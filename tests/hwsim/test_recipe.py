import json

import pytest

from hwsim import CONTRACTS, FORMATS, INT8, Recipe
from hwsim.blocks import LayerNorm, Softmax
from hwsim.observers import OBSERVERS
from hwsim.ops.datapath import Datapath
from hwsim.rounding import ROUNDINGS
from hwsim.tables import Stored, Table
from tests.compare import assert_one_line, assert_refused

GELU = Table(function="gelu", fmt=INT8, fraction=6, bits=8, scales={2: Stored((0,), (0, 64), (0, 0))})
FULL = Recipe(
    weights="int4",
    activations="uint8",
    per_channel=False,
    symmetric=True,
    power_of_two=True,
    contract="tfl_single",
    rounding="half_even",
    observer="percentile",
    residual="int8",
    softmax=Softmax(z="int16", z_step=0.0078125, fraction=14, mantissa=10),
    layernorm=LayerNorm(width=12, mantissa=7),
    accumulator="int16",
    datapath=Datapath(overflow="saturate", drop=2, tree=4, signs="magnitude"),
    tables={"gelu": GELU},
    overrides=(
        ("fc*", {"weights": "int8", "per_channel": True}),
        ("fc2", {"contract": "pow2"}),
        ("p", {"softmax": {"mantissa": 12}, "residual": "int32", "layernorm": {"width": 8}}),
        ("q", {"accumulator": "int12", "datapath": {"overflow": "wrap"}}),
    ),
)
TOML = """
weights = "int4"
activations = "uint8"
per_channel = false
symmetric = true
power_of_two = true
contract = "tfl_single"
rounding = "half_even"
observer = "percentile"
residual = "int8"
accumulator = "int16"

[datapath]
overflow = "saturate"
drop = 2
tree = 4
signs = "magnitude"

[softmax]
z = "int16"
z_step = 0.0078125
fraction = 14
mantissa = 10

[layernorm]
width = 12
mantissa = 7

[tables]
gelu = "of gelu.json"

[overrides."fc*"]
weights = "int8"
per_channel = true

[overrides.fc2]
contract = "pow2"

[overrides.p]
residual = "int32"

[overrides.p.softmax]
mantissa = 12

[overrides.p.layernorm]
width = 8

[overrides.q]
accumulator = "int12"

[overrides.q.datapath]
overflow = "wrap"
"""


@pytest.mark.parametrize("recipe", [Recipe(), FULL], ids=["default", "full"])
def test_dictionaries_come_back(recipe):
    data = recipe.to_dict()
    assert Recipe.from_dict(data) == recipe
    assert Recipe.from_dict(data).to_dict() == data
    data["overrides"]["new"] = {"weights": "int2"}
    assert "new" not in dict(recipe.overrides), "to_dict must not share the recipe's own tables"


def test_toml(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(TOML)
    assert_refused(lambda: Recipe.from_toml(path), str(path), "of gelu.json")
    (tmp_path / "of gelu.json").write_text(json.dumps(GELU.to_json()))
    assert Recipe.from_toml(path) == FULL
    path.write_text("")
    assert Recipe.from_toml(path) == Recipe()


def test_overrides_go_by_glob_and_the_later_one_wins():
    assert FULL.at("conv1") == Recipe(**{**FULL.to_dict(), "overrides": ()})
    one, two = FULL.at("fc1"), FULL.at("fc2")
    assert (one.weights, one.per_channel, one.contract) == ("int8", True, "tfl_single")
    assert (two.weights, two.per_channel, two.contract) == ("int8", True, "pow2")
    assert (one.symmetric, one.rounding, one.overrides) == (True, "half_even", ())
    twice = Recipe(overrides=(("*", {"weights": "int4"}), ("b?", {"weights": "int16"}), ("[xy]", {"weights": "int2"})))
    assert [twice.at(n).weights for n in ("a", "b1", "b12", "y", "B1")] == ["int4", "int16", "int4", "int2", "int4"]


def test_accumulators():
    assert (FULL.at("q").accumulator, FULL.at("q").datapath) == ("int12", Datapath(overflow="wrap"))
    assert Recipe(accumulator="int12", datapath={}) == Recipe(accumulator="int12")
    off = Recipe(accumulator="int8", overrides=(("q", {"accumulator": ""}),))
    assert (off.at("q").accumulator, off.at("r").accumulator) == ("", "int8")
    for recipe in (Recipe(accumulator="int16", datapath=FULL.datapath), off):
        assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_widths_of_blocks():
    """Tables become blocks, and plain data again; a table in an override stands for the whole block."""
    at = FULL.at("p")
    assert (at.softmax, at.residual, at.layernorm) == (Softmax(mantissa=12), "int32", LayerNorm(width=8))
    assert (FULL.at("q").softmax.z, FULL.at("q").layernorm.mantissa) == ("int16", 7)
    assert Recipe(softmax={"fraction": 9}) == Recipe(softmax=Softmax(fraction=9))
    block = Recipe(overrides=(("p", {"softmax": Softmax(mantissa=12)}),))
    table = Recipe(overrides=(("p", {"softmax": {"mantissa": 12}}),))
    assert block.at("p") == table.at("p")
    for recipe in (FULL, block, table):
        text = json.dumps(recipe.to_dict())
        assert Recipe.from_dict(json.loads(text)).at("p") == recipe.at("p")
        assert json.dumps(Recipe.from_dict(json.loads(text)).to_dict()) == text


def test_two_overrides_of_one_glob_come_back_or_are_refused():
    """A dictionary holds one table a glob: what cannot be written down must not be accepted."""
    twice = (("fc*", {"weights": "int4"}), ("b", {}), ("fc*", {"contract": "pow2"}))
    try:
        recipe = Recipe(overrides=twice)
    except ValueError as e:
        assert_one_line(e, "fc*")
    else:
        assert Recipe.from_dict(recipe.to_dict()).at("fc1") == recipe.at("fc1")


def test_every_known_name_is_taken():
    for key, names in (
        ("activations", FORMATS),
        ("contract", [c.name for c in CONTRACTS]),
        ("rounding", ROUNDINGS),
        ("observer", OBSERVERS),
    ):
        for name in names:
            assert getattr(Recipe(**{key: name}), key) == name


REFUSED = {
    "key": ({"weight": "int8"}, "['weight']", "weights", "activations"),
    "format": ({"weights": "int9"}, "'int9'", "int8"),
    "contract": ({"contract": "gemmlowp"}, "'gemmlowp'", "dyadic16"),
    "rounding": ({"rounding": "up"}, "'up'", "half_up"),
    "stochastic": ({"rounding": "stochastic"}, "'stochastic'"),
    "observer": ({"observer": "median"}, "'median'", "minmax"),
    "bool": ({"per_channel": 1}, "per_channel = 1", "bool"),
    "text": ({"symmetric": "yes"}, "'yes'"),
    "number": ({"weights": 8}, "weights = 8", "str"),
    "override key": ({"overrides": {"fc": {"weight": "int8"}}}, "['weight']"),
    "override value": ({"overrides": {"fc": {"weights": "int9"}}}, "'int9'"),
    "override type": ({"overrides": {"fc": {"per_channel": "no"}}}, "'no'"),
    "nested": ({"overrides": {"fc": {"overrides": {}}}}, "['overrides']"),
    "no table": ({"overrides": {"fc": "int8"}}, "tables"),
    "unsigned residual": ({"residual": "uint16"}, "'uint16'", "signed integer"),
    "float residual": ({"residual": "fp8_e4m3"}, "'fp8_e4m3'", "signed integer"),
    "residual": ({"residual": "int17"}, "'int17'"),
    "override residual": ({"overrides": {"fc": {"residual": "uint8"}}}, "'uint8'", "signed integer"),
    "softmax key": ({"softmax": {"zstep": 0.1}}, "['zstep']", "softmax", "z_step"),
    "softmax value": ({"softmax": {"mantissa": 99}}, "mantissa 99"),
    "softmax format": ({"softmax": {"z": "uint8"}}, "'uint8'"),
    "softmax type": ({"softmax": {"mantissa": "9"}}, "mantissa", "'9'"),
    "softmax float": ({"softmax": {"fraction": 9.5}}, "fraction", "9.5"),
    "softmax step": ({"softmax": {"z_step": "small"}}, "z_step", "'small'"),
    "softmax z": ({"softmax": {"z": 8}}, "format 8", "int8"),
    "softmax table": ({"softmax": "wide"}, "softmax = 'wide'", "table, [softmax]"),
    "layernorm key": ({"layernorm": {"bits": 9}}, "['bits']", "layernorm", "width"),
    "layernorm value": ({"layernorm": {"width": 40}}, "width 40"),
    "layernorm type": ({"layernorm": {"width": "16"}}, "width", "'16'"),
    "layernorm of softmax": ({"layernorm": Softmax()}, "layernorm", "table, [layernorm]"),
    "softmax bool": ({"softmax": {"z_step": True}}, "z_step True"),
    "override softmax": ({"overrides": {"p": {"softmax": {"z_step": 7}}}}, "z_step 7"),
    "override layernorm": ({"overrides": {"p": {"layernorm": {"bits": 7}}}}, "['bits']"),
    "accumulator": ({"accumulator": "uint8"}, "'uint8'", "int2 to int64"),
    "accumulator of 65 bits": ({"accumulator": "int65"}, "'int65'"),
    "accumulator of 1 bit": ({"accumulator": "int1"}, "'int1'"),
    "accumulator that is a number": ({"accumulator": 16}, "accumulator = 16", "str"),
    "datapath alone": ({"datapath": {"overflow": "wrap"}}, "wrap", "without an accumulator"),
    "datapath key": ({"accumulator": "int16", "datapath": {"overflows": "wrap"}}, "['overflows']", "datapath", "tree"),
    "datapath value": ({"accumulator": "int16", "datapath": {"overflow": "stop"}}, "'stop'", "saturate"),
    "datapath type": ({"accumulator": "int16", "datapath": "wrap"}, "datapath = 'wrap'", "[datapath]"),
    "drop of text": ({"accumulator": "int16", "datapath": {"drop": "2"}}, "drop '2'"),
    "tree of half": ({"accumulator": "int16", "datapath": {"tree": 0.5}}, "tree 0.5"),
    "saturating 64 bits": ({"accumulator": "int64", "datapath": {"overflow": "saturate"}}, "64 bits"),
    "override datapath": ({"overrides": {"fc": {"datapath": {"overflow": "wrap"}}}}, "without an accumulator"),
    "no tables": ({"tables": ["gelu"]}, "tables = ['gelu']", "[tables]"),
    "table name": ({"tables": {"gelo": GELU}}, "'gelo'", "gelu_tanh"),
    "another's table": ({"tables": {"silu": GELU}}, "'silu'", "'gelu'"),
    "table value": ({"tables": {"gelu": 3}}, "one object"),
    "override tables": ({"overrides": {"fc": {"tables": {}}}}, "['tables']", "whole model"),
    "a list": ({"overrides": [{"weights": "int8"}]}, "tables"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unknown_keys_and_values_are_refused(name):
    data, *culprits = REFUSED[name]
    assert_refused(lambda: Recipe.from_dict(data), *culprits)


@pytest.mark.parametrize(
    "text", ['weights = "int9"', "weights = ", 'weights = "int4"\nweights = "int8"', "x = 1", "\x00"]
)
def test_toml_errors_name_the_file(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_text(text)
    assert_refused(lambda: Recipe.from_toml(path), str(path))


def test_toml_that_is_no_text_names_the_file(tmp_path):
    path = tmp_path / "r.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert_refused(lambda: Recipe.from_toml(path), str(path))
