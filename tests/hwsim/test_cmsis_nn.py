from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from hwsim.cmsis_nn import LayerParameters, identifier, layers, q31, real_ratio
from hwsim.contracts import Dyadic16, OnnxFloat, Pow2, TflmDouble, TflSingle, quantize_multiplier
from hwsim.dialects.linear import linear
from hwsim.formats import INT8
from hwsim.graph import Graph
from hwsim.ops import Conv2d, MatMul, Reshape
from hwsim.qtensor import BATCH, QTensor, QType
from tests.compare import assert_refused

STRUCTS = """#include <stdint.h>
typedef struct { int32_t w; int32_t h; } cmsis_nn_tile;
typedef struct { int32_t min; int32_t max; } cmsis_nn_activation;
typedef struct { int32_t multiplier; int32_t shift; } cmsis_nn_per_tensor_quant_params;
typedef struct { int32_t *multiplier; int32_t *shift; } cmsis_nn_per_channel_quant_params;
typedef struct { int32_t input_offset; int32_t output_offset; cmsis_nn_tile stride; cmsis_nn_tile padding;
  cmsis_nn_tile dilation; cmsis_nn_activation activation; } cmsis_nn_conv_params;
typedef struct { int32_t input_offset; int32_t output_offset; int32_t ch_mult; cmsis_nn_tile stride;
  cmsis_nn_tile padding; cmsis_nn_tile dilation; cmsis_nn_activation activation; } cmsis_nn_dw_conv_params;
typedef struct { int32_t input_offset; int32_t filter_offset; int32_t output_offset; cmsis_nn_activation activation;
} cmsis_nn_fc_params;
"""


def net() -> Graph:
    """A convolution, a depthwise one, a dense layer."""
    rng, g = np.random.default_rng(0), Graph("net")

    def weight(*shape: int, axis: int, many: bool = True) -> QTensor:
        scale = tuple(rng.uniform(0.01, 0.1, shape[axis]).tolist()) if many else 0.05
        t = QType(shape, INT8, scale, axis=axis if many else None)
        return QTensor(t, rng.integers(-127, 128, shape).astype(np.int8))

    def ratio(x: QType, w: QTensor, y: QType) -> TflmDouble:
        return TflmDouble.of(np.asarray(w.type.scale) * x.scale / y.scale)

    x = g.input("x", QType((BATCH, 6, 6, 3), INT8, 0.1, 5))
    out = QType((), INT8, 0.5, -3)
    w = weight(4, 3, 2, 3, axis=0)
    conv = Conv2d(kernel=(3, 2), stride=(2, 1), padding=((1, 0), (0, 1)), dilation=(1, 2))
    a = linear(g, conv, x, w, None, out, ratio(x.type, w, out), lo=-3, name="conv/1")
    w = weight(8, 1, 1, 1, axis=0)
    b = linear(g, Conv2d(kernel=(1, 1), groups=4), a, w, None, out, ratio(a.type, w, out), name="2 deep")
    flat = g.add(Reshape(shape=(b.type.elements,)), b)
    w = weight(b.type.elements, 5, axis=1, many=False)
    g.output(linear(g, MatMul(), flat, w, None, out, ratio(flat.type, w, out), name="dense"))
    return g


def test_the_layers_of_a_graph() -> None:
    conv, deep, dense = layers(net())
    assert (conv.kind, conv.input_offset, conv.output_offset, conv.activation) == ("conv", -5, -3, (-3, 127))
    assert (conv.stride, conv.padding, conv.dilation, len(conv.multipliers)) == ((2, 1), (1, 0), (1, 2), 4)
    assert (deep.kind, deep.channel_multiplier, deep.input_offset, len(deep.shifts)) == ("dw", 2, 3, 8)
    assert (dense.kind, dense.activation, len(dense.multipliers)) == ("fc", (-128, 127), 1)


def test_the_initializers_compile_and_hold_the_numbers(tmp_path: Path) -> None:
    found = list(layers(net()))
    expect = [f"{identifier(p.name)}_{p.kind}_params.output_offset == {p.output_offset}" for p in found]
    expect += [
        "conv_1_conv_params.stride.w == 1",
        "conv_1_conv_params.stride.h == 2",
        "conv_1_conv_params.dilation.w == 2",
    ]
    expect += ["layer_2_deep_dw_params.ch_mult == 2", f"dense_quant_params.multiplier == {found[2].multipliers[0]}"]
    expect += [f"conv_1_quant_params.shift[3] == {found[0].shifts[3]}"]
    body = "\n".join(p.c() for p in found)
    code = f"{STRUCTS}{body}\nint main(void) {{ return !({' && '.join(expect)}); }}\n"
    (tmp_path / "p.c").write_text(code)
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-o", tmp_path / "p", tmp_path / "p.c"]
    subprocess.run(command, check=True, capture_output=True)
    assert subprocess.run([tmp_path / "p"]).returncode == 0


@pytest.mark.parametrize("kind", [Dyadic16, TflSingle, TflmDouble, OnnxFloat])
def test_every_contract_has_the_constants_of_its_ratio(kind) -> None:
    made = kind.of(0.0123)
    (m,), (s,) = q31(made)
    assert abs(real_ratio(m, s) / made.ratio[0] - 1) < 2.0**-31
    assert q31(Pow2.of(0.25)) == ((1 << 30,), (-1,))


def test_there_and_back() -> None:
    for ratio in (0.0123, 0.5, 1.75, 1e-6):
        (m,), (s,) = quantize_multiplier(ratio)
        assert real_ratio(m, s) == m * 2.0 ** (s - 31)
        assert abs(real_ratio(m, s) / ratio - 1) <= 2.0**-31
    assert real_ratio(40000, 20, "ours") == 40000 / 2**20
    assert_refused(lambda: real_ratio(0, 3), "multiplier 0")
    assert_refused(lambda: real_ratio(5, 99), "shift 99")
    assert_refused(lambda: real_ratio(5, 9, "gemmlowp"), "'gemmlowp'")


def test_names() -> None:
    assert [identifier(n) for n in ("a/b:0", "2d", "", "é")] == ["a_b_0", "layer_2d", "layer_", "_"]
    text = LayerParameters(
        name="", kind="fc", multipliers=(5,), shifts=(1,), input_offset=0, output_offset=0, activation=(-1, 1)
    ).c()
    assert text.startswith("cmsis_nn_fc_params fc_params = {")
