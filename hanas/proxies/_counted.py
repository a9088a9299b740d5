"""Proxies that follow from the genes of an architecture, without any network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from hanas.core.settings import Positive, Settings
from hanas.proxies._proxy import Inputs, OnDemandScorer, SpaceProxy, Work
from hanas.spaces._space import Space


class CountedProxy(SpaceProxy):
    """Settings of a proxy that counts."""

    of_cells: ClassVar[bool] = True
    #: What is counted.
    counted: ClassVar[str]

    def count(self, space: Space, genes: np.ndarray) -> np.ndarray:
        """Return numbers (N,), of which lower is better, of genes (N, G)."""
        raise NotImplementedError

    @property
    def source(self) -> str:
        """Where the numbers are from."""
        return f"{self.counted}, computed"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the counts."""
        score = self.count(space, space.all_genes()).astype(float)
        return {"score": score, "source": self.source}


class CountedNetwork(Settings):
    """The network of a layer-wise space that is counted."""

    width: Positive = Field(1, description="What all numbers of channels are multiplied by.")
    resolution: Annotated[int, Field(ge=4)] = Field(
        32, description="Side of the images, for flops."
    )


class SizeProxy(CountedProxy):
    """Settings of a proxy that counts the parts of a network, of which more are better."""

    on_demand: ClassVar[bool] = True
    of_cells: ClassVar[bool] = False
    network: CountedNetwork | None = Field(
        None,
        description="Of layer-wise spaces: the network that is counted; where absent, that of full "
        "size. Cells rank alike at every size.",
    )

    @property
    def source(self) -> str:
        """Where the numbers are from."""
        size = "network" if self.network else "full-size network"
        return f"{self.counted} of the {size}, computed"

    def problems_in(self, space: Space) -> Iterator[str]:
        """Yield what does not go together with a space."""
        if self.network and space.enumerable:
            said = f"network: the cells of {space.name} rank alike at every size of the network"
            yield f"{said}; leave it out"

    def on_demand_scorer(self, space: Space, inputs: Inputs, work: Work) -> OnDemandScorer:
        """Return what counts; see :meth:`Proxy.on_demand_scorer`."""
        return _Counts(self, space)


@dataclass
class _Counts(OnDemandScorer):
    proxy: SizeProxy
    space: Space

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        return {"score": self.proxy.count(self.space, genes).astype(float)}

    def source(self, objective: str) -> str:
        return self.proxy.source
