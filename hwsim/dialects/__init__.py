"""What other engines' quantized ops compute, made of our ops: each function adds one of theirs to a graph.

A dialect decides which constants and roundings an op has; the arithmetic itself is in `hwsim.ops` and
`hwsim.contracts`. Each file names the engine and the release that it was measured against, with ties.
"""
