"""What rknn-toolkit2 prints: on which unit each layer runs, times of passes, errors."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hanas.core.errors import InputError
from hanas.devices.measuring.timings import Timings

# A line of the table of layers: number, operation, type, unit, shapes, cycles, traffic, name.
_LAYER = re.compile(
    r"\]\s+\d+\s+(?P<operation>\w+)\s+(?P<type>\w+)\s+(?P<unit>CPU|NPU|GPU)\s+\S+\s+"
    r"(?P<output>\S+)\s+\d+/\d+/\d+\s+\S+\s+(?P<name>\S.*)"
)
_TABLE = "Network Layer Information Table"
# Colours, and the line of an error, which begins with the name of the step.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"^E (?!RKNN:)(\w+: (?!Traceback).+)$", re.MULTILINE)
_TIME = re.compile(r"Total Time\(us\):\s*([0-9.]+)")


class Layer(NamedTuple):
    """A layer of a converted model: operation, ``NPU``, ``CPU`` or ``GPU``, shape, name."""

    operation: str
    unit: str
    output: str
    name: str


@dataclass(frozen=True)
class RknnReport:
    """What the toolkit (its version) says of a model for a chip without a board.

    ``layers`` are all but inputs and outputs; the accuracy is that of the 8-bit model in the
    simulator, on so many images.
    """

    toolkit: str
    target: str
    layers: tuple[Layer, ...]
    accuracy_percent: float
    images: int

    @property
    def fallbacks(self) -> tuple[Layer, ...]:
        """The layers that do not run on the NPU."""
        return tuple(layer for layer in self.layers if layer.unit != "NPU")

    def described(self) -> str:
        """Return the report in one line."""
        kinds = Counter(f"{layer.operation} on the {layer.unit}" for layer in self.fallbacks)
        which = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return (
            f"rknn-toolkit2 {self.toolkit} for {self.target}: {len(self.fallbacks)} of "
            f"{len(self.layers)} layers do not run on the NPU{f' ({which})' if which else ''}; "
            f"{self.accuracy_percent:.2f} % right in int8 on {self.images} images (simulated)"
        )


def layers(output: str) -> tuple[Layer, ...]:
    """Return the layers in the table that the toolkit prints; InputError where there is none."""
    _, found, table = output.rpartition(_TABLE)
    rows = [row for line in table.splitlines() if (row := _LAYER.search(line))]
    if not found or not rows:
        raise InputError(
            "rknn-toolkit2 printed no table of layers that hanas understands; "
            "take the version that envs/rknn.txt names"
        )
    return tuple(
        Layer(row["operation"], row["unit"], row["output"], row["name"].strip())
        for row in rows
        if row["operation"] not in ("InputOperator", "OutputOperator")
    )


def pass_times(output: str, *, passes: int, warmup: int) -> Timings:
    """Return the times of the passes that the toolkit has printed; InputError without them."""
    parts = re.split(r"^hanas pass \d+$", output, flags=re.MULTILINE)[1 + warmup :]
    times = [_TIME.findall(part) for part in parts]
    if len(times) != passes or not all(len(found) == 1 for found in times):
        raise InputError(
            "rknn-toolkit2 printed no times that hanas understands; take the version that "
            "envs/rknn.txt names"
        )
    return Timings(np.array([float(found[0]) for found in times]) / 1e3)


def errors(output: str) -> list[str]:
    """Return the errors that the toolkit has printed, the first first."""
    return [line.strip() for line in _ERROR.findall(_COLOUR.sub("", output))]
