"""Whether numbers of a device can be milliseconds: by themselves, and beside this host's.

Seconds taken for milliseconds, or a command that times nothing, give numbers that rank well and are
wrong by a factor of a thousand. Nothing is refused here: boards may be that slow. It is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hanas.devices._device import ModelRefused
from hanas.devices.host import HostDevice

#: Milliseconds of a pass that a network on a device hardly takes.
SHORTEST_MS, LONGEST_MS = 1e-3, 600_000.0
#: A device is hardly so many times as fast, or as slow, as this host.
FACTOR = 100.0
_PASSES = 20


def host_ms(model: Path, *, batch: int) -> float | None:
    """Return what a pass of an ONNX model takes on this host, ms; None where it cannot run it."""
    how = {"kind": "host", "passes": _PASSES, "warmup": 2, "batch": batch, "statistic": "median"}
    host = HostDevice.read(how)
    try:
        return float(np.quantile(host.measure(model, "this host").latencies_ms, 0.1))
    except ModelRefused:
        return None


def question(latencies_ms: Mapping[str, float], on_host_ms: Mapping[str, float]) -> str:
    """Return what to ask about latencies of passes, by architecture; nothing if they can be.

    ``on_host_ms`` has those of some of them on this host.

    >>> question({"a": 2.0, "b": 3.0}, {"a": 1.0})
    ''
    >>> question({"a": 2e-6, "b": 3e-6}, {})
    'the median pass takes 2.5e-06 ms, less than a microsecond: are the numbers milliseconds?'
    """
    if not latencies_ms:
        return ""
    median = float(np.median(list(latencies_ms.values())))
    said = f"the median pass takes {median:.3g} ms"
    if median < SHORTEST_MS:
        return f"{said}, less than a microsecond: are the numbers milliseconds?"
    if median > LONGEST_MS:
        return f"{said}, more than ten minutes: are the numbers milliseconds?"
    if not on_host_ms:
        return ""
    ratio = float(np.median([latencies_ms[arch] / on_host_ms[arch] for arch in on_host_ms]))
    if 1 / FACTOR <= ratio <= FACTOR:
        return ""
    how, times = ("slow", ratio) if ratio > 1 else ("fast", 1 / ratio)
    count = len(on_host_ms)
    models = f"{count} model{'s' if count > 1 else ''}"
    return (
        f"{said}; {models} that were run on this host for comparison are {times:,.0f} times as "
        f"{how} on the device: are the numbers milliseconds, and is it the device that is meant?"
    )
