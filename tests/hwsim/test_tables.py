"""Tables as data: the op they make, their JSON form, and what is refused."""

import json

import numpy as np
import pytest

from hwsim import FP4_E2M1, INT8, INT16, INT32, UINT16, QType
from hwsim.tables import Stored, Table, read_table
from tests.compare import all_codes, assert_refused, assert_same
from tests.oracles.exact import ROUND
from tests.oracles.tables import table_value

STORED = Stored((-20, 5, 5), (3, -7, 100, 12), (-1, 90, 0, -128))
TABLE = Table(function="f", fmt=INT8, fraction=6, bits=8, scales={0: STORED, 3: STORED})


def document(**changes):
    lines = {"breakpoints": [0.5], "slopes": [0, 1], "intercepts": [0, 0.25]} | changes
    return {"gelu": {"1": lines}}


@pytest.mark.parametrize("n", [0, 3])
def test_the_op_is_the_formula(n):
    codes, published = all_codes(INT8), TABLE.to_json()
    exact = [table_value(published, n, int(q)) for q in codes]
    source = (QType((256,), INT8, 2.0**-n),)
    op = TABLE.at(n)
    assert (op.fmt, op.scale) == (INT32, 2.0 ** -(6 + n))
    assert_same([v / op.scale for v in exact], op.run(source, codes))
    for out in (QType((), INT8, 0.25, -9), QType((), UINT16, 2.0**-14)):
        want = [ROUND["half_up"](v * int(1 / out.scale)) + out.zero_point for v in exact]
        assert_same(np.clip(want, out.fmt.min_int, out.fmt.max_int), TABLE.at(n, out).run(source, codes))


def test_json_there_and_back(tmp_path):
    text = json.dumps(TABLE.to_json())
    assert Table.from_json(json.loads(text)) == TABLE
    (tmp_path / "f.json").write_text(text)
    assert read_table(tmp_path / "f.json") == TABLE


def test_what_the_document_does_not_say():
    plain = Table.from_json(document())
    assert (plain.fmt, plain.fraction, plain.bits) == (INT8, 6, 8)
    assert plain.scales == {1: Stored((1,), (0, 64), (0, 16))}
    other = Table.from_json(document(), fmt=INT16, fraction=2, bits=4)
    assert (other.fmt, other.scales[1]) == (INT16, Stored((1,), (0, 4), (0, 1)))


REFUSED = {
    "list": (lambda: Table.from_json([]), "one object"),
    "two": (lambda: Table.from_json({**document(), "exp": {"0": {}}}), "one object"),
    "format": (lambda: Table.from_json({**document(), "certificate": {"format": "fp4_e2m1"}}), "fp4_e2m1"),
    "wide format": (lambda: Table.from_json({**document(), "certificate": {"format": "int32"}}), "int32"),
    "fraction": (lambda: Table.from_json({**document(), "certificate": {"fraction": "6"}}), "'6'"),
    "bits": (lambda: Table.from_json(document(), bits=17), "17"),
    "scale": (lambda: Table.from_json({"gelu": {"15": {}}}), "'15'", "0..14"),
    "columns": (lambda: Table.from_json({"gelu": {"1": []}}), "scale 1"),
    "no slopes": (lambda: Table.from_json(document(slopes=[])), "breakpoints"),
    "order": (lambda: Table.from_json(document(breakpoints=[1, 0.5], slopes=[0] * 3, intercepts=[0] * 3)), "[1, 0.5]"),
    "infinite": (lambda: Table.from_json(document(breakpoints=[float("inf")])), "inf"),
    "segments": (
        lambda: Table.from_json({"f": {"0": TABLE.to_json()["f"]["0"], "1": document()["gelu"]["1"]}}),
        "table of f", "differ",
    ),
    "no scale": (lambda: TABLE.at(2), "f", "2**-2", "0, 3"),
    "result": (lambda: TABLE.at(0, QType((), INT8, 0.3)), "0.3"),
    "float result": (lambda: TABLE.at(0, QType((), FP4_E2M1)), "fp4_e2m1"),
    "32 bits": (
        lambda: Table(
            function="f", fmt=INT16, fraction=0, bits=16, scales={14: Stored((), (0,), (32767 << 3,))}
        ).at(14), "32 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case):
    call, *culprits = REFUSED[case]
    assert_refused(call, *culprits)


def test_a_bad_file_is_named(tmp_path):
    for text in ("", "{", "[]"):
        (tmp_path / "t.json").write_text(text)
        assert_refused(lambda: read_table(tmp_path / "t.json"), "t.json")
    assert_refused(lambda: read_table(tmp_path / "none.json"), "none.json")
