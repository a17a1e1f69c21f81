"""Where the numbers come from: torch models, their training, calibration and the road to an integer Graph."""

from .prepare import Prepared, calibrate, lower, prepare

__all__ = ["Prepared", "calibrate", "lower", "prepare"]
