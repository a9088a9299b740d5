"""Rank architectures by whether their cell is a residual block, without training.

Deep networks train better where the input of a block is added to its output (K. He et al., "Deep
Residual Learning for Image Recognition", CVPR 2016). A supernet of one or two cells a stage cannot
show that: it is as easily trained without. To be fused with what such a network says.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import CountedProxy
from hanas.spaces import nb201
from hanas.spaces._space import Space


class Residual(CountedProxy):
    """The score is minus (1 + the convolutions that a skip from input to output leads past).

    0 where the input is not added to the output unchanged, by a skip connection on the edge between
    the two. What is on dead edges does not count.
    """

    kind: Literal["residual"] = Field(
        description="Whether a cell is a residual block; needs no training."
    )
    counted: ClassVar[str] = "convolutions that a skip from input to output leads past"

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return the scores (N,) of genes (N, 6)."""
        live = nb201.without_dead_edges(genes)
        convolutions = np.isin(live, (nb201.CONV_1X1, nb201.CONV_3X3)).sum(axis=1)
        is_residual = live[:, nb201.DIRECT_EDGE] == nb201.SKIP
        return np.where(is_residual, -1.0 - convolutions, 0.0)
