"""Hypothesis: same examples every run, no deadline (numba compiles inside tests), nothing written to disk."""

from hypothesis import settings

settings.register_profile("hwsim", deadline=None, derandomize=True, database=None)
settings.load_profile("hwsim")
