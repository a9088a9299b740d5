"""Settings of what untrained networks say. Quick to import: read while rules are parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hanas.core.errors import InputError
from hanas.core.settings import check_number


@dataclass(frozen=True)
class UntrainedSettings:
    """Which networks are measured, and on what.

    Parameters
    ----------
    network
        ``skeleton``, ``channels`` and ``cells``, see :class:`hanas.spaces.networks.settings.CellNetworkSettings`.
    resolution
        Side that images are average-pooled to, or of made-up ones; None keeps that of the images.
    images
        Training images (or made-up ones) that each seed draws, at most. Not every measure has it.
    batches
        Batches that they are split into.
    seeds
        Draws of initial weights and of images, whose scores are averaged.
    """

    network: Mapping[str, Any] = field(default_factory=dict)
    resolution: int | None = None
    images: int = 128
    batches: int = 1
    seeds: int = 1

    def __post_init__(self) -> None:
        for name in ("images", "batches", "seeds"):
            check_number(name, getattr(self, name), at_least=1, whole=True)
        if self.images < self.batches:
            raise InputError(f"images is {self.images}; expected at least batches, {self.batches}")
        if self.resolution is not None:
            check_number("resolution", self.resolution, at_least=4, whole=True)
            from hanas.spaces.nb201 import check_side

            check_side(self.resolution, "resolution")
