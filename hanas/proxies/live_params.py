"""Rank architectures by the parameters that their output depends on, without training."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.proxies._proxy import CountedProxy
from hanas.spaces._cell import CellSpace


class LiveParams(CountedProxy):
    """The score is minus the number of parameters on edges that change a prediction.

    :mod:`hanas.proxies.params` also counts edges whose input is zero or whose output leads nowhere.
    """

    kind: Literal["live_params"] = Field(
        description="The number of parameters that the output depends on; needs no training."
    )
    on_demand: ClassVar[bool] = True
    counted: ClassVar[str] = "number of parameters on live edges of the full-size network"

    def count(self, space: CellSpace, genes: np.ndarray) -> np.ndarray:
        """Return minus the numbers."""
        return -space.params(genes, live_only=True)
