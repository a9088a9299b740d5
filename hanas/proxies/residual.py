"""Rank architectures by whether their cell is a residual block, without training.

Deep networks train better where the input of a block is added to its output (K. He et al., "Deep
Residual Learning for Image Recognition", CVPR 2016). A supernet of one or two cells a stage cannot
show that: it is as easily trained without. To be fused with what such a network says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import CountedProxy
from hanas.spaces._cell import CellSpace
from hanas.spaces._cell_operations import SKIP
from hanas.spaces._space import Space


class Residual(CountedProxy):
    """The score is minus (1 + the convolutions that a skip from input to output leads past).

    0 where the input is not added to the output unchanged, by a skip connection on the edge between
    the two. What is on dead edges does not count.
    """

    kind: Literal["residual"] = Field(
        description="Whether a cell is a residual block; needs no training."
    )
    on_demand: ClassVar[bool] = True
    counted: ClassVar[str] = "convolutions that a skip from input to output leads past"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        yield from super().problems_in(space)
        if isinstance(space, CellSpace):
            edge = space.direct_edge
            if SKIP not in space.options(edge) or space.choices[edge] == 1:
                yield (
                    f"kind is 'residual', but in space {space.name!r} {space.place(edge)} is "
                    f"{SKIP} in no cell or in all, so that they would rank alike"
                )

    def count(self, space: CellSpace, genes: np.ndarray) -> np.ndarray:
        """Return the scores (N,) of genes (N, edges)."""
        live = space.live(genes)
        convolutions = (live & space.which(genes, lambda one: one.convolves)).sum(axis=1)
        is_residual = space.which(genes, lambda one: one.name == SKIP)[:, space.direct_edge]
        return np.where(is_residual, -1.0 - convolutions, 0.0)
