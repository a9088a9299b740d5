"""Rank architectures by their number of parameters: the simplest baseline, without training."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import SizeProxy
from hanas.spaces._space import Space


class Params(SizeProxy):
    """The score is minus the number of parameters; the classifier's share is the same for all."""

    kind: Literal["params"] = Field(description="The number of parameters; needs no training.")
    counted: ClassVar[str] = "number of parameters"

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return minus the numbers."""
        return -space.params(genes, network=self.network)
