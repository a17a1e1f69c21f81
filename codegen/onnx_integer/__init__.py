"""Quantized ONNX: Q/DQ pairs and QLinear operators become the integer graph."""
