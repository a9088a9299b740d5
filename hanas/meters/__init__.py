"""Latency and energy of one model at a time, as a device of one's own runs it."""
