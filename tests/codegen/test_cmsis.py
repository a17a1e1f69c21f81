"""Calls of CMSIS-NN, compiled and run against a reference of its documented arithmetic: the simulator's codes."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from codegen import emit_cmsis_nn, read_tflite
from codegen.program import ports_of
from hwsim.app.data import random_codes
from hwsim.dialects import tflite_linear as dialect
from hwsim.formats import INT8, INT16
from hwsim.graph import Graph, Value
from hwsim.ops import Pool
from hwsim.qtensor import BATCH, QTensor, QType
from hwsim.simulation import simulate

from .folders import STRICT, literals, run, write

ORACLES = Path(__file__).parents[1] / "oracles"
WAKE = find_spec("pymicro_wakeword")
MODELS = Path(WAKE.origin).parent / "models" if WAKE and WAKE.origin else Path("absent")


def main(graph: Graph, inputs: dict, samples: int) -> str:
    """A program that runs all samples and compares every output code."""
    want, texts, arguments, checks = simulate(graph, inputs), [], [], []
    for k, (name, v) in enumerate(ports_of(graph)):
        ctype, size, given = f"{v.type.fmt.dtype.name}_t", v.type.elements, k < len(graph.inputs)
        codes = inputs[v.name] if given else want[v.name]
        rows = codes if v.type.batched else np.broadcast_to(codes, (samples, *codes.shape))
        texts.append(f"static const {ctype} of_{name}[] = {literals(rows)};")
        texts += [] if given else [f"static {ctype} got_{name}[{size}];"]
        arguments.append(f"of_{name} + s * {size}" if given else f"got_{name}")
        checks += [] if given else [f"memcmp(got_{name}, of_{name} + s * {size}, sizeof got_{name}) != 0"]
    return "\n".join(
        [
            '#include <stdlib.h>\n#include <string.h>\n#include "net.h"',
            *texts,
            "int main(void) { const int32_t size = net_scratch_size();",
            "cmsis_nn_context scratch = { malloc((size_t)size + 1), size };",
            f"for (int s = 0; s < {samples}; s++) {{",
            f"if (net_run(&scratch, {', '.join(arguments)}) != ARM_CMSIS_NN_SUCCESS) return 2;",
            f"if ({' || '.join(checks)}) return 1; }} free(scratch.buf); return 0; }}",
        ]
    )


def check(folder: Path, graph: Graph, inputs: dict, change=lambda text: text, status: int = 0) -> str:
    """Every output code equal, with and without what Helium reads from the context; the model's text."""
    graph.name = "net"
    samples = next(len(inputs[v.name]) for v in graph.inputs)
    files = emit_cmsis_nn(graph) | {"main.c": main(graph, inputs, samples)}
    files["net.c"] = change(files["net.c"])
    files |= {"cmsis.c": (ORACLES / "cmsis_nn_reference.c").read_text()}
    files |= {"arm_nnfunctions.h": (ORACLES / "cmsis_nn_reference.h").read_text()}
    write(folder, files)
    flags = ("-std=c99", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I.")
    run("gcc", *flags, *STRICT, "-c", "net.c", "net_data.c", cwd=folder)
    for sums in (0, 1):
        sources = ("main.c", "cmsis.c", "net.o", "net_data.o")
        run("gcc", *flags, f"-DUSE_SUMS={sums}", "-o", "use", *sources, cwd=folder)
        run("./use", cwd=folder, status=status)
    return files["net.c"]


def weights(rng: np.random.Generator, shape: tuple[int, ...], channels: bool) -> QTensor:
    scale = tuple(rng.uniform(0.005, 0.02, shape[0]).astype(np.float32).astype(float).tolist()) if channels else 0.0123
    return QTensor(
        QType(shape, INT8, scale, 0, 0 if channels else None), rng.integers(-127, 128, shape).astype(np.int8)
    )


def small_net(seed: int, *, padded: bool) -> Graph:
    """Convolution, depthwise with two outputs a channel, 1 x 1, pool, two fully connected layers; TFLM's bits."""
    rng = np.random.default_rng(seed)
    g, zero = Graph("net"), iter(rng.integers(-40, 40, 9).tolist())
    x: Value = g.input("x", QType((BATCH, 7, 6, 3), INT8, 0.05, next(zero)))
    layers = [((8, 3, 3, 3), 1, (2, 1), (1, 1)), ((16, 3, 2, 1), 8, (1, 1), (2, 1)), ((6, 1, 1, 16), 1, (1, 1), (1, 1))]
    for k, (shape, groups, stride, dilation) in enumerate(layers):
        pads = ((1, 2), (1, 1)) if padded and shape[1] > 1 else ((0, 0), (0, 0))
        pads = ((2, 2), (0, 1)) if not padded and k == 1 else pads
        bias = rng.integers(-2000, 2000, shape[0])
        x = dialect.conv2d(
            *(g, x, weights(rng, shape, channels=k != 2), bias, QType((1,), INT8, 0.2, next(zero))),
            stride=stride, padding=pads, dilation=dilation, groups=groups, activation=("NONE", "RELU", "RELU6")[k],
            name=f"conv{k}",
        )  # fmt: skip
    pool = Pool(kind="max", kernel=(2, 2), stride=(1, 2), padding=((0, 1), (1, 0)))
    x = dialect.max_pool(g, x, x.type, pool, activation="NONE" if padded else "RELU6", name="pool")
    x = dialect.flat(g, x, "flat")
    for k, channels in enumerate((True, False)):
        w = weights(rng, (5, int(x.type.shape[1])), channels)
        bias = rng.integers(-2000, 2000, 5) if k else None
        x = dialect.fully_connected(g, x, w, bias, QType((1,), INT8, 0.4, next(zero)), "tflm_double", name=f"fc{k}")
    g.output(x)
    return g


@pytest.mark.parametrize("padded", [False, True])
def test_small_nets(tmp_path: Path, padded: bool) -> None:
    for seed in range(3):
        g = small_net(seed, padded=padded)
        text = check(tmp_path / str(seed), g, random_codes(g, 8, seed))
        called = re.findall(r"return (arm_\w+)\(", text)
        assert sorted(called) == sorted(
            ["arm_convolve_wrapper_s8"] * 2
            + ["arm_depthwise_conv_wrapper_s8", "arm_max_pool_s8"]
            + ["arm_fully_connected_per_channel_s8", "arm_fully_connected_s8"]
        )
        offsets = [int(n) for n in re.findall(r"(?:conv|fc)_params \w+ = \{ \.input_offset = (-?\d+)", text)]
        zero = -int(g.inputs[0].type.zero_point)
        assert offsets[0] == (zero if padded else 0)  # unfolded only where padding adds taps
        assert offsets[2:] == [0, 0, 0]


def test_a_wrong_offset_or_bias_is_seen(tmp_path: Path) -> None:
    """The folded bias with the input's own offset, and no offset beside padding, give other codes."""
    g = small_net(0, padded=True)
    codes = random_codes(g, 8, 0)
    check(tmp_path / "a", g, codes, lambda t: re.sub(r"(input_offset = )-?[1-9]\d*", r"\g<1>0", t, count=1), 1)
    check(tmp_path / "b", g, codes, lambda t: re.sub(r"\.output_offset = (-?\d+)", r".output_offset = 1 + \1", t), 1)


@pytest.mark.skipif(not MODELS.is_dir(), reason="left out: wake words as CMSIS-NN calls (pymicro-wakeword)")
@pytest.mark.parametrize("name", ["alexa", "okay_nabu"])
def test_wake_words(tmp_path: Path, name: str) -> None:
    """Streaming models: states are inputs and outputs; what no call can make keeps our C."""
    g = read_tflite((MODELS / f"{name}.tflite").read_bytes(), contract="tflm_double")
    text = check(tmp_path, g, random_codes(g, 6, 0))
    assert text.count("arm_depthwise_conv_wrapper_s8(") >= 4
    assert text.count("return arm_convolve_wrapper_s8(") >= 4


def test_what_no_call_can_make_is_our_c_or_refused(tmp_path: Path) -> None:
    g = Graph("net")
    x = g.input("x", QType((BATCH, 4, 4, 4), INT8, 0.05, 3))
    rng = np.random.default_rng(0)
    grouped = dialect.conv2d(
        g, x, weights(rng, (4, 3, 3, 2), True), None, QType((1,), INT8, 0.3, 1), groups=2, name="y"
    )
    g.output(grouped)
    with pytest.raises(ValueError, match="no step can be a call"):
        emit_cmsis_nn(g)
    g.output(dialect.conv2d(g, grouped, weights(rng, (2, 1, 1, 4), True), None, QType((1,), INT8, 0.3, 1), name="z"))
    assert check(tmp_path, g, random_codes(g, 4, 0)).count("return arm_") == 1
    wide = Graph("net")
    x = wide.input("x", QType((BATCH, 4, 4, 4), INT16, 0.05))
    wide.output(dialect.conv2d(wide, x, weights(rng, (2, 1, 1, 4), True), None, QType((1,), INT16, 0.3), name="z"))
    with pytest.raises(ValueError, match="tflm_double"):
        emit_cmsis_nn(wide)
