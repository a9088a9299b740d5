"""Proxies that look at stand-alone networks at initialisation.

All cells are measured with one draw of initial weights: equal operations on equal edges begin with
equal weights, as in a supernet that was never trained. Each network is still one that its own
initialisation could have made, but cells differ by what they are and not by luck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Count, Settings
from hanas.proxies._proxy import Columns, Inputs, SpaceProxy, Threads, Work
from hanas.spaces._space import Space

if TYPE_CHECKING:
    from hanas.data.batches import Batch, Split
    from hanas.spaces.networks.cell import CellNetwork


class UntrainedNetwork(Settings):
    """Size and form of an untrained network."""

    skeleton: Literal["standard", "pooled", "pooled_3x3"] = Field(
        "standard", description="As for supernets."
    )
    channels: Count = Field(16, description="Channels of the first stage; they double twice.")
    cells: Count = Field(5, description="Cells a stage.")


class UntrainedProxy(SpaceProxy):
    """Settings of such a proxy, and what it measures of a network and makes of that."""

    network: UntrainedNetwork = Field(
        UntrainedNetwork.read({}), description="Size and form of the untrained network."
    )
    resolution: Annotated[int, Field(ge=4, multiple_of=4)] | None = Field(
        None,
        description="Side of the images it is measured on: those of a data set are average-pooled "
        "to it, a divisor of theirs; null keeps theirs, or takes 32.",
    )
    seeds: Count = Field(
        1, description="Draws of initial weights (and of images) whose scores are averaged."
    )
    threads: Threads = 8

    of_cells: ClassVar[bool] = True
    #: Whether it looks at images of a data set.
    looks_at_images: ClassVar[bool] = False
    #: Names of the numbers that are measured.
    measures: ClassVar[tuple[str, ...]]
    #: What is said about the table, with the size of the networks and images in braces.
    source: ClassVar[str]

    def prepared(self, network: CellNetwork) -> CellNetwork:
        """Change the network of a seed before cells are measured, and return it."""
        return network

    def drawn(self, seed: int, side: int, split: Split | None) -> list[Batch]:
        """Return what the network of a seed is measured on: images of a side.

        ``split`` holds the training images of a data set if it looks at one.
        """
        raise NotImplementedError

    def measure(
        self, network: CellNetwork, genes: Sequence[int], batches: Sequence[Batch]
    ) -> tuple[float, ...]:
        """Return the numbers of the network of one cell, which stays as it is."""
        raise NotImplementedError

    def ranked(self, numbers: Mapping[str, np.ndarray], cells: np.ndarray) -> np.ndarray:
        """Return scores (D,), of which lower is better, of the numbers (D,) of cells (D, 6)."""
        raise NotImplementedError

    def scores(self, space: Space, inputs: Inputs, work: Work) -> Columns:
        """Return the scores; cells that are the same function are measured once."""
        from hanas.proxies.scoring.untrained_cells import score_space

        return score_space(self, inputs.images, work)


class ProxyOfBatches(UntrainedProxy):
    """Settings of an untrained proxy that looks at batches of images."""

    images: Count = Field(128, description="Images a seed.")
    batches: Count = Field(1, description="Batches that they are split into.")

    @model_validator(mode="after")
    def _fills_batches(self) -> ProxyOfBatches:
        if self.images < self.batches:
            raise InputError(f"images is {self.images}; expected at least batches, {self.batches}")
        return self


def worst_where_missing(values: np.ndarray) -> np.ndarray:
    """Return scores in which NaN is one above the largest: a cell that has no score is worst.

    >>> worst_where_missing(np.array([2.0, np.nan, 1.0]))
    array([2., 3., 1.])
    """
    return np.where(np.isnan(values), np.nanmax(values) + 1, values)
