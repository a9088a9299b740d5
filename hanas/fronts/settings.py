"""Settings of what is taken from a front."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hanas.core.settings import Count, Settings

#: The rules of :func:`hanas.fronts.picks.choose`.
Representative = Literal["knee", "closest_to_ideal", "lowest_error", "lowest_hardware"]


class Peeling(Settings):
    """When peeling a front stops, see :mod:`hanas.fronts.peeling`."""

    epsilon: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.005,
        description="A layer adds little if less than this share of the trained front's "
        "hypervolume is new.",
    )
    patience: Count = Field(
        default=2, description="So many layers, one after the other, must add little."
    )
    limit: Count = Field(default=100, description="Architectures to train at most.")
