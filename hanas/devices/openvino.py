"""OpenVINO on this machine's CPU; it reads ONNX files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import one_line
from hanas.core.extras import require
from hanas.devices._device import LoadedModels, ModelRefused, ThisMachine, Timings

_COMPILED = LoadedModels()


class OpenVinoDevice(ThisMachine):
    """The machine that runs the workflow."""

    kind: Literal["openvino"] = Field(description="OpenVINO on this machine's CPU.")

    def board_names(self) -> tuple[str, ...]:
        """Return the name of this machine's processor; InputError where OpenVINO is missing."""
        require("openvino", "openvino")
        return super().board_names()

    def runtime(self) -> str:
        """Return the version of OpenVINO."""
        import openvino

        return f"OpenVINO {openvino.__version__}, CPU"

    def measure(self, model: Path, board: str) -> Timings:
        """Time the passes of an ONNX model; ModelRefused where OpenVINO cannot run it."""
        compiled, _ = _COMPILED.get(self, model, lambda: _compiled(model, self.threads))
        request = compiled.create_infer_request()
        shape = tuple(compiled.input(0).shape)
        images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        clock, nanoseconds = time.perf_counter_ns, np.empty(self.passes)
        # Set once, as OpenVINO's benchmark_app does: to set it takes 30 us, half a small network.
        request.infer({0: images}, share_inputs=True)
        for _ in range(self.warmup):
            request.infer()
        for number in range(self.passes):
            before = clock()
            request.infer()
            nanoseconds[number] = clock() - before
        return Timings(nanoseconds / 1e6)


def _compiled(model: Path, threads: int) -> Any:
    import openvino

    # Latency of one pass, in the precision of the file: some processors would take bfloat16.
    how = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    try:
        return openvino.Core().compile_model(str(model), "CPU", how)
    except Exception as error:  # RuntimeError, or an exception of its own by version
        raise ModelRefused(f"OpenVINO cannot run it: {one_line(error)}") from error
