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
from hanas.spaces._layerwise import IDENTITY
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
        if IDENTITY.name not in space.operations:
            yield f"kind is 'depth', but all architectures of {space.name!r} are equally deep"

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return minus the numbers."""
        return -(genes != space.operations.index(IDENTITY.name)).sum(axis=1)
