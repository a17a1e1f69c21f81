"""Where the numbers come from: torch models, their training, calibration and the road to an integer Graph."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .comparison import compare
from .prepare import Prepared, calibrate, lower, prepare
from .sweep import sweep

if TYPE_CHECKING:
    from . import gqa_lut
    from .llm_fp4 import LLMFP4
    from .lsq import LSQ

__all__ = ["LLMFP4", "LSQ", "Prepared", "calibrate", "compare", "gqa_lut", "lower", "prepare", "sweep"]


def __getattr__(name: str) -> Any:
    """Algorithms are imported when they are asked for: some need torch, a stored front graph does not."""
    if name == "gqa_lut":
        return importlib.import_module(".gqa_lut", __name__)
    if name == "LSQ":
        from .lsq import LSQ

        return LSQ
    if name == "LLMFP4":
        from .llm_fp4 import LLMFP4

        return LLMFP4
    raise AttributeError(f"module 'algos' has no attribute {name!r}")
