"""Meters: what measures the latency of one model on the boards of a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_precision(settings: Mapping[str, Any]) -> str:
    """Return which form of a model the meter of a device is given: ``float32`` or ``int8``.

    That is the precision in which it is measured, but for meters that quantise models themselves.
    """
    from hanas.core import plugins

    kind = settings.get("kind")
    if kind is not None and getattr(plugins.load("meters", kind), "QUANTISES", False):
        return "float32"
    return settings.get("precision", "float32")
