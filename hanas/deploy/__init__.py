"""Trained networks as ONNX files, float32 and 8-bit, with a card for each."""
