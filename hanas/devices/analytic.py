"""Accelerators that exist as descriptions: energy and cycles are added up over the layers.

An estimate, never a measurement, and labelled so. Counted are convolutions, fully connected
layers, poolings and additions, one after the other, each with its input from outside and its
output back there. Left out are activations, normalisations that were not folded into a
convolution, and what only moves data, such as a channel shuffle.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError, one_line
from hanas.core.settings import Positive
from hanas.devices._device import MeasuredDevice
from hanas.devices.measuring.timings import ModelRefused, Timings

if TYPE_CHECKING:
    from hanas.devices._accelerators import Description


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
        return (f"{_described(self.accelerator).name} at {self.clock_mhz:g} MHz",)

    def conditions(self, board: str) -> dict[str, str | int]:
        """Return what an estimate depends on, apart from the model."""
        from hanas.devices import _accelerators

        accelerator = _described(self.accelerator)
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
        from hanas.deploy.onnx_layers import layers
        from hanas.devices._accelerators import user_cache

        try:
            found, _ = layers(model)
        except InputError as error:
            raise ModelRefused(one_line(error)) from error
        energy_pj, cycles = added_up(found, _described(self.accelerator), user_cache())
        milliseconds = cycles / self.clock_mhz / 1e3
        return Timings(np.array([milliseconds]), energy_mj=energy_pj / 1e9, estimate=True)


def added_up(found: Counter, accelerator: Description, folder: Path | None) -> tuple[float, float]:
    """Return picojoules and cycles of layers.

    Raises
    ------
    ModelRefused
        If there are none, or one does not fit.
    """
    from hanas.devices._accelerators import NoMapping, cost

    if not found:
        raise ModelRefused("the model has no layer that is counted")
    energy_pj = cycles = 0.0
    for layer, count in sorted(found.items()):
        try:
            of_one = cost(layer, accelerator, folder)
        except NoMapping as error:
            raise ModelRefused(str(error)) from error
        energy_pj += count * of_one.energy_pj
        cycles += count * of_one.cycles
    return energy_pj, cycles


@cache
def _described(accelerator: str) -> Description:
    from hanas.devices._accelerators import describe

    return describe(accelerator)
