"""Latency and energy of whole models on a device."""
