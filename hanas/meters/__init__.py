"""Meters: what measures the latency of one model on a device."""
