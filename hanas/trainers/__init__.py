"""Supernet trainers."""
