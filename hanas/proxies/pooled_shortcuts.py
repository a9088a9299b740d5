"""Rank architectures by shortcuts that blur, without training.

Adding the input of a block to its output helps deep networks where nothing is done to it on the
way (K. He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016). A path of poolings and
skips adds a blurred copy instead, in all fifteen cells of the benchmark's network; a supernet of
one cell a stage meets it three times, and underrates the harm. That it lowers accuracy was seen,
and its weight chosen, on other data sets than it is judged by (docs/ranking.md).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import CountedProxy
from hanas.spaces import nb201
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

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return the scores (N,) of genes (N, 6)."""
        on_paths = nb201.operations_on_paths(genes)  # (paths, N, operations)
        is_open = on_paths[..., nb201.NONE] == 0
        convolutions = on_paths[..., nb201.CONV_1X1] + on_paths[..., nb201.CONV_3X3]
        poolings = (on_paths[..., nb201.AVG_POOL] * (is_open & (convolutions == 0))).sum(axis=0)
        return np.where(is_open.any(axis=0), poolings, poolings.max() + 1)
