"""Measure models on devices: boards that share work, and what the timings are worth."""
