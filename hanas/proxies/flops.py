"""Rank architectures by their multiply-accumulates, without training."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import SizeProxy
from hanas.spaces._space import Space


class Flops(SizeProxy):
    """The score is minus the multiply-accumulates.

    The classes, and of cells the resolution, change the count of all alike, so not the ranking.
    """

    kind: Literal["flops"] = Field(description="Multiply-accumulates; need no training.")
    counted: ClassVar[str] = "multiply-accumulates"

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return minus the numbers."""
        return -space.flops(genes, network=self.network)
