"""Settings of what is taken from a front."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hanas.core.settings import Count, Seed, Settings

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


class LensSettings(Settings):
    """How the choices of a search space are judged on a device, see :mod:`hanas.fronts.lens`."""

    sample: Annotated[int, Field(ge=50)] = Field(
        1000,
        description="Random architectures that effects are estimated from, in spaces that are too "
        "large to be listed; each is scored by the proxy.",
    )
    seed: Seed = Field(0, description="Of these architectures.")
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        0.99,
        description="Share of the front's hypervolume that the smaller space keeps at least, which "
        "the lens proposes.",
    )
