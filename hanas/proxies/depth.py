"""Rank chains of layers by how many of them are not identity, without training.

The simplest count that tells much: on NAS-Bench-Macro its Kendall's tau is .69, that of parameters
.22 (docs/ranking.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import CountedProxy
from hanas.spaces._layerwise import IDENTITY, LayerwiseSpace
from hanas.spaces._space import Space


class Depth(CountedProxy):
    """The score is minus the number of layers; what identity projects by is none."""

    kind: Literal["depth"] = Field(
        description="The number of layers that are not identity, in a layer-wise space; needs no "
        "training."
    )
    counted: ClassVar[str] = "number of layers that are not identity"
    on_demand: ClassVar[bool] = True
    of_cells: ClassVar[bool] = False

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space."""
        of_one_depth = all(len(stage.layers) == 1 for stage in getattr(space, "by_stage", ()))
        if IDENTITY.name not in space.operations and of_one_depth:
            yield f"kind is 'depth', but all architectures of {space.name!r} are equally deep"

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return minus the numbers."""
        assert isinstance(space, LayerwiseSpace)  # see of_cells
        chains = space.chains(genes)
        is_layer = np.array([operation != IDENTITY for operation in space.layers])
        return -(chains.there & is_layer[chains.operations]).sum(axis=1)
