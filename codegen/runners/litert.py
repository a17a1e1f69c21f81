"""Run a ``.tflite`` in LiteRT's reference kernels and hand out every tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsim.formats import Codes

from ..tflite.schema import subgraphs


def run_litert(model: bytes, inputs: Sequence[Codes]) -> dict[str, Codes]:
    """Every tensor that an operator of the main subgraph writes, by name, after each step.

    Args:
        model: content of the file.
        inputs: one array an input in the model's order, shape (steps, ...); each step has the model's whole shape.
            Variables live on from step to step.

    Returns:
        name -> codes, shape (steps, ...); tensors of handles are left out.
    """
    from ai_edge_litert import interpreter as litert

    engine = litert.Interpreter(
        model_content=model,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
        num_threads=1,
    )
    engine.allocate_tensors()
    main = subgraphs(model)[0]
    written = [main.tensors[i] for op in main.operators for i in op.outs if main.tensors[i].kind != "RESOURCE"]
    seen: dict[str, list[Codes]] = {t.name: [] for t in written}
    for step in zip(*inputs, strict=True):
        for i, x in zip(main.inputs, step, strict=True):
            engine.set_tensor(i, x)
        engine.invoke()
        for t in written:
            seen[t.name].append(np.array(engine.get_tensor(t.index)))
    return {name: np.stack(codes) for name, codes in seen.items()}
