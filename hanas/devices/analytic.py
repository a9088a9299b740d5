"""Accelerators that exist as descriptions: energy and cycles are added up over the layers.

An estimate, never a measurement, and labelled so. Counted are convolutions, fully connected
layers, poolings and additions, one after the other, each with its input from outside and its
output back there. Left out are activations, normalisations that were not folded into a
convolution, and what only moves data, such as a channel shuffle.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError, one_line
from hanas.core.settings import Positive
from hanas.devices import _accelerators
from hanas.devices._device import MeasuredDevice, ModelRefused, Timings


class AnalyticDevice(MeasuredDevice):
    """An accelerator that exists as a description."""

    kind: Literal["analytic"] = Field(
        description="A model of an accelerator (ZigZag): an estimate, never a measurement."
    )
    quantises: ClassVar[bool] = True  # the description says how wide words are
    accelerator: str = Field(
        description="eyeriss, one of ZigZag's own (eyeriss_like, tpu_like, edge_tpu_like, "
        "tesla_npu_like, ascend_like, meta_prototype), or a YAML file of your own."
    )
    clock_mhz: Positive = Field(200, description="Clock that turns cycles into time.")

    def board_names(self) -> tuple[str, ...]:
        """Return the name of the accelerator with its clock."""
        name = _accelerators.describe(self.accelerator).name
        return (f"{name} at {self.clock_mhz:g} MHz",)

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what an estimate depends on, apart from the model."""
        accelerator = _accelerators.describe(self.accelerator)
        return {
            "runtime": f"{_accelerators.zigzag()}, without activations and moves of data",
            "threads": 1,
            "precision": f"int{accelerator.bits}",
            "batch": self.measuring.batch,
            "accelerator": accelerator.digest,
            "revision": _accelerators.REVISION,
        }

    def measure(self, model: Path, board: str) -> Timings:
        """Add up the costs of an ONNX model's layers; ModelRefused where one does not fit."""
        from hanas.deploy.onnx_models import layers

        try:
            found = layers(model)
        except InputError as error:
            raise ModelRefused(one_line(error)) from error
        if not found:
            raise ModelRefused("the model has no layer that is counted")
        accelerator, folder = _accelerators.describe(self.accelerator), _accelerators.user_cache()
        energy_pj = cycles = 0.0
        for layer, count in sorted(found.items()):
            of_one = _accelerators.cost(layer, accelerator, folder)
            energy_pj += count * of_one.energy_pj
            cycles += count * of_one.cycles
        milliseconds = cycles / self.clock_mhz / 1e3
        return Timings(np.array([milliseconds]), energy_mj=energy_pj / 1e9, estimate=True)
