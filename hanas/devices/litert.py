"""LiteRT (once TensorFlow Lite) on this machine's CPU: what phones and small boards run.

Its models are LiteRT files, in INT8 with integers from input to output. They are written and run by
a Python of its own, see :mod:`hanas.deploy.litert`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.deploy import litert
from hanas.devices._device import ModelRefused, ThisMachine, Timings

#: Warming up takes at least this long: small models would else be timed on a sleeping processor.
WARMUP_SECONDS = 0.05


class LiteRTDevice(ThisMachine):
    """The machine that runs the workflow."""

    kind: Literal["litert"] = Field(description="LiteRT on this machine's CPU.")
    batch: Literal[1] = Field(  # pyright: ignore[reportIncompatibleVariableOverride]
        1, description="Images a pass."
    )
    xnnpack: bool = Field(True, description="Whether the XNNPACK delegate runs what it can.")
    litert_python: str = Field(
        litert.PYTHON, description="Python with litert-torch; `make litert` makes it."
    )

    @property
    def model_format(self) -> str:
        """What its models are written as."""
        return "litert"

    def runtime(self) -> str:
        """Return the version of LiteRT, and whether XNNPACK runs what it can."""
        versions = litert.answered(self.litert_python, {}, "its version")["versions"]
        return f"LiteRT {versions['ai-edge-litert']}, XNNPACK {'on' if self.xnnpack else 'off'}"

    def measure(self, model: Path, board: str) -> Timings:
        """Time the passes of a LiteRT file; ModelRefused where LiteRT cannot run it."""
        how = {name: getattr(self, name) for name in ("passes", "warmup", "threads", "xnnpack")}
        file = {"file": str(model.absolute()), "warmup_seconds": WARMUP_SECONDS}
        keep = {"keep": self.in_rounds}  # it is asked for again in the next round
        try:
            answer = litert.answered(
                self.litert_python, {"time": {**file, **how, **keep}}, str(model)
            )
        except litert.LiteRTError as error:
            raise ModelRefused(f"LiteRT cannot run it: {error}") from error
        try:
            return Timings(np.array(answer["latencies_ms"], dtype=float))
        except ValueError as error:
            raise InputError(f"{model}: LiteRT: {error}") from error
