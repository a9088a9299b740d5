"""Accelerators that exist as descriptions: energy and cycles are added up over the layers.

An estimate, never a measurement, and labelled so. Counted are convolutions, fully connected
layers, poolings and additions, one after the other, each with its input from outside and its
output back there. Left out are activations, normalisations that were not folded into a
convolution, and what only moves data, such as a channel shuffle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hanas.core.errors import InputError, one_line
from hanas.core.settings import check_number, selected
from hanas.devices import _accelerators as accelerators
from hanas.devices._accelerators import Description, NoMapping
from hanas.devices._onnx_layers import layers
from hanas.devices.measuring.timings import ModelRefused, Timings

#: Models are given in float32: the description says how wide words are.
QUANTISES = True


@dataclass(frozen=True)
class AnalyticSettings:
    """Which accelerator.

    Parameters
    ----------
    accelerator
        Name or path of a description, see :func:`hanas.devices._accelerators.describe`.
    clock_mhz
        Clock that turns cycles into time.
    batch
        Images of a pass.
    cache
        Folder where the costs of layers are kept; None: the user's folder for such.
    """

    accelerator: str = "eyeriss"
    clock_mhz: float = 200
    batch: int = 1
    cache: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.accelerator, str):
            raise InputError(f"accelerator is {self.accelerator!r}; expected a name or a path")
        check_number("clock_mhz", self.clock_mhz, above=0)
        check_number("batch", self.batch, at_least=1, whole=True)


def boards(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name of the accelerator with its clock."""
    chosen = _checked(settings)
    return (f"{_described(chosen.accelerator).name} at {chosen.clock_mhz:g} MHz",)


def conditions(settings: Mapping[str, Any], board: str) -> dict[str, str | int]:
    """Return what an estimate depends on, apart from the model."""
    chosen = _checked(settings)
    accelerator = _described(chosen.accelerator)
    return {
        "runtime": f"{accelerators.zigzag()}, without activations and moves of data",
        "threads": 1,
        "precision": f"int{accelerator.bits}",
        "batch": chosen.batch,
        "accelerator": accelerator.digest,
        "revision": accelerators.REVISION,
    }


def measure(model: Path, *, settings: Mapping[str, Any], board: str) -> Timings:
    """Add up the energy and cycles of the layers of an ONNX model.

    Raises
    ------
    ModelRefused
        If a layer does not fit the accelerator, or the file is no model of known shapes.
    """
    chosen = _checked(settings)
    accelerator = _described(chosen.accelerator)
    folder = Path(chosen.cache) if chosen.cache else accelerators.user_cache()
    try:
        found, _ = layers(model)
    except InputError as error:
        raise ModelRefused(one_line(error)) from error
    energy_pj, cycles = added_up(found, accelerator, folder)
    milliseconds = cycles / chosen.clock_mhz / 1e3
    return Timings(np.array([milliseconds]), energy_mj=energy_pj / 1e9, estimate=True)


def added_up(found: Counter, accelerator: Description, folder: Path | None) -> tuple[float, float]:
    """Return picojoules and cycles of layers.

    Raises
    ------
    ModelRefused
        If there are none, or one does not fit.
    """
    if not found:
        raise ModelRefused("the model has no layer that is counted")
    energy_pj = cycles = 0.0
    for layer, count in sorted(found.items()):
        try:
            cost = accelerators.cost(layer, accelerator, folder)
        except NoMapping as error:
            raise ModelRefused(str(error)) from error
        energy_pj += count * cost.energy_pj
        cycles += count * cost.cycles
    return energy_pj, cycles


def _checked(settings: Mapping[str, Any]) -> AnalyticSettings:
    return selected(AnalyticSettings, settings, "meter")


@cache
def _described(accelerator: str) -> Description:
    return accelerators.describe(accelerator)
