"""Settings of fitting surrogates."""

from __future__ import annotations

from pydantic import Field

from hanas.core.settings import Fraction, Seed, Settings


class SurrogateFit(Settings):
    """How surrogates of a space are fitted."""

    seed: Seed = Field(0, description="Of the held-out cells and of the fit.")
    held_out: Fraction = Field(
        0.1, description="Part of the cells that is kept out of the fit to judge it."
    )
