"""Run a ``.tflite`` in TFLM and hand out every tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.formats import Codes

from ..tflite.schema import subgraphs

ARENA = 1 << 24  # bytes


def run_tflm(model: bytes, inputs: Sequence[Codes]) -> dict[str, Codes]:
    """Every tensor that an operator writes, as `codegen.runners.litert.run_litert` hands them out."""
    from tflite_micro.python.tflite_micro import runtime

    preserve = runtime.InterpreterConfig.kPreserveAllTensors
    engine = runtime.Interpreter.from_bytes(model, arena_size=ARENA, intrepreter_config=preserve)
    main = subgraphs(model)[0]
    written = [main.tensors[i] for op in main.operators for i in op.outs if main.tensors[i].kind != "RESOURCE"]
    seen: dict[str, list[Codes]] = {t.name: [] for t in written}
    for step in zip(*inputs, strict=True):
        for i, x in enumerate(step):
            engine.set_input(x, i)
        engine.invoke()
        for t in written:
            seen[t.name].append(np.array(engine.GetTensor(t.index, 0)["tensor_data"]).reshape(t.shape))
    return {name: np.stack(codes) for name, codes in seen.items()}
