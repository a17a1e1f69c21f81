"""Compiled kernels of the simulator: the same bits as the ops' definitions, as fast as the CPU can give them.

numba and llvmlite are imported here alone (and in `hwsim.jit`), and not before something is simulated.
"""
