"""The machine that hanas runs on, through ONNX Runtime on its CPU.

Models are measured in this process: a fresh process for each gives the same medians and repeats no
better, as ``benchmarks/host_meter.py`` shows. Settings:
:class:`~hanas.devices._settings.PassSettings`.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError, one_line
from hanas.core.hardware import processor
from hanas.core.settings import selected
from hanas.deploy import onnx_models
from hanas.devices._settings import PassSettings
from hanas.devices.measuring.timings import ModelRefused, Timings

#: Warming up takes at least this long: small models would else be timed on a sleeping processor.
WARMUP_SECONDS = 0.05


def boards(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name of this machine's processor."""
    return (processor(),)


def device(settings: Mapping[str, Any], board: str) -> str:
    """Return what no two processes may measure on at once."""
    return "(this machine)"


def conditions(settings: Mapping[str, Any], board: str) -> dict[str, str | int]:
    """Return what a measurement depends on, apart from the model."""
    import onnxruntime

    chosen = selected(PassSettings, settings, "meter")
    return {
        "runtime": f"ONNX Runtime {onnxruntime.__version__}, CPUExecutionProvider",
        "threads": chosen.threads,
        "precision": chosen.precision,
        "batch": chosen.batch,
        "warmup": chosen.warmup,
        "passes": chosen.passes,
    }


def measure(model: Path, *, settings: Mapping[str, Any], board: str) -> Timings:
    """Time the passes of an ONNX model.

    Parameters
    ----------
    model
        An ONNX file with one float32 input, whose first axis is the batch or open.
    settings, board
        See above.

    Raises
    ------
    ModelRefused
        If ONNX Runtime cannot load or run the model.
    """
    chosen = selected(PassSettings, settings, "meter")
    try:
        session = onnx_models.session(model, threads=chosen.threads)
    except InputError as error:
        raise ModelRefused(one_line(error)) from error
    taken = session.get_inputs()[0]
    shape = [chosen.batch, *taken.shape[1:]]
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    feed = {taken.name: images}
    try:
        session.run(None, feed)
    except Exception as error:  # ONNX Runtime has an exception class for each kind of failure
        raise ModelRefused(f"ONNX Runtime cannot run it: {one_line(error)}") from error
    return Timings(_timed(lambda: session.run(None, feed), chosen) / 1e6)


def _timed(run, chosen: PassSettings) -> np.ndarray:
    """Return the nanoseconds of each pass, float64 (P,)."""
    clock = time.perf_counter_ns
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        started, done = clock(), 0
        while done < chosen.warmup or clock() - started < WARMUP_SECONDS * 1e9:
            run()
            done += 1
        nanoseconds = np.empty(chosen.passes)
        for number in range(chosen.passes):
            before = clock()
            run()
            nanoseconds[number] = clock() - before
    finally:
        if collecting:
            gc.enable()
    return nanoseconds
