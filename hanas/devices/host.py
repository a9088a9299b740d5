"""The machine that hanas runs on, through ONNX Runtime on its CPU.

Models are measured in this process: a fresh process for each gives the same medians and repeats no
better, as ``benchmarks/host_meter.py`` shows.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from hanas.core.compute import NO_VNNI, lacks_vnni
from hanas.core.errors import InputError, one_line
from hanas.devices._device import LoadedModels, ModelRefused, ThisMachine, Timings

#: Warming up takes at least this long: small models would else be timed on a sleeping processor.
WARMUP_SECONDS = 0.05
_SESSIONS = LoadedModels()


class HostDevice(ThisMachine):
    """The machine that hanas runs on."""

    kind: Literal["host"] = Field(description="ONNX Runtime on the machine that runs the workflow.")

    def runtime(self) -> str:
        """Return the version of ONNX Runtime."""
        from hanas.deploy import onnx_models

        found = f"{onnx_models.runtime()}, CPUExecutionProvider"
        if self.precision == "int8":  # the option with which accuracies are computed
            found += f", exact sums{f' ({NO_VNNI})' if lacks_vnni() else ''}"
        return found

    def measure(self, model: Path, board: str) -> Timings:
        """Time the passes of an ONNX model; ModelRefused where ONNX Runtime cannot run it."""
        session, warm = _SESSIONS.get(
            self, model, lambda: _session(model, self.threads, self.precision)
        )
        taken = session.get_inputs()[0]
        shape = [self.batch, *taken.shape[1:]]
        feed = {taken.name: np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
        try:
            session.run(None, feed)
        except Exception as error:  # ONNX Runtime has an exception class for each kind of failure
            raise ModelRefused(f"ONNX Runtime cannot run it: {one_line(error)}") from error
        clock, nanoseconds = time.perf_counter_ns, np.empty(self.passes)
        collecting = gc.isenabled()
        if not warm:  # it takes longer than a block
            gc.collect()
        gc.disable()
        try:
            started, done = clock(), 0
            while done < self.warmup or (not warm and clock() - started < WARMUP_SECONDS * 1e9):
                session.run(None, feed)
                done += 1
            for number in range(self.passes):
                before = clock()
                session.run(None, feed)
                nanoseconds[number] = clock() - before
        finally:
            if collecting:
                gc.enable()
        return Timings(nanoseconds / 1e6)


def _session(model: Path, threads: int, precision: str) -> Any:
    from hanas.deploy import onnx_models

    try:
        return onnx_models.session(model, threads=threads, exact_sums=precision == "int8")
    except InputError as error:
        raise ModelRefused(one_line(error)) from error
