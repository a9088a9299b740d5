"""Settings of how networks are quantised. Without PyTorch: read while rules are parsed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hanas.core.settings import Count, Settings


class Quantisation(Settings):
    """How the INT8 model of a network is made, see :mod:`hanas.deploy.quantisation`."""

    per_channel: bool = Field(default=True, description="Weights are quantised by output channel.")
    calibration_images: Count = Field(
        default=512, description="Training images that the ranges of activations are taken from."
    )
    # Not ONNX Runtime's entropy: with its 128 bins it finds the range of minmax, and with more it
    # takes minutes.
    method: Literal["minmax", "percentile"] = Field(
        default="minmax",
        description="Range of an activation: all that was seen, or without the outermost 0.0005 % "
        "on either side.",
    )
    reduce_range: bool = Field(
        default=False,
        description="Weights of 7 bits, for processors whose 8-bit products overflow: x86 without "
        "VNNI.",
    )
