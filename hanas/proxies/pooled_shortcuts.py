"""Rank architectures by shortcuts that blur, without training.

Adding the input of a block to its output helps deep networks where nothing is done to it on the
way (K. He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016). A path of poolings and
skips adds a blurred copy instead, in all fifteen cells of the benchmark's network; a supernet of
one cell a stage meets it three times, and underrates the harm. That it lowers accuracy was seen,
and its weight chosen, on other data sets than it is judged by (docs/ranking.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import CountedProxy
from hanas.spaces._cell import CellSpace
from hanas.spaces._cell_operations import NONE
from hanas.spaces._space import Space


class PooledShortcuts(CountedProxy):
    """The score is the number of poolings on paths from input to output without a convolution.

    A pooling on two such paths counts twice. Where no path leads from input to output, it is one
    more than the largest.
    """

    kind: Literal["pooled_shortcuts"] = Field(
        description="Poolings on paths without a convolution; needs no training."
    )
    counted: ClassVar[str] = "poolings on paths without a convolution from input to output"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space, the name of the setting first."""
        yield from super().problems_in(space)
        if isinstance(space, CellSpace) and not any(one.pools for one in space.distinct):
            yield f"kind is 'pooled_shortcuts', but no edge of {space.name!r} can be a pooling"

    def count(self, space: CellSpace, genes: np.ndarray) -> np.ndarray:
        """Return the scores (N,) of genes (N, edges)."""
        on_paths = space.operations_on_paths(genes)  # (paths, N, operations)
        of = space.distinct
        is_open = on_paths[..., [one.name == NONE for one in of]].sum(axis=-1) == 0
        convolutions = on_paths[..., [one.convolves for one in of]].sum(axis=-1)
        pools = on_paths[..., [one.pools for one in of]].sum(axis=-1)
        poolings = (pools * (is_open & (convolutions == 0))).sum(axis=0)
        return np.where(is_open.any(axis=0), poolings, poolings.max() + 1)
