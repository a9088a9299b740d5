"""Devices for tests."""

from typing import Any

from hanas.core import plugins


def device(kind: str, **settings: Any) -> Any:
    """Return the device that an entry of a study says."""
    return plugins.plugin("devices", kind).read({"kind": kind, **settings}, "device")
