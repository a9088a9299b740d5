"""What other proxies say of chains of layers, as features of a learned model of their accuracy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Self

import numpy as np

from hanas.proxies._proxy import CombinedScorer, Inputs, Work, member_tables
from hanas.proxies.fused import ranks_among
from hanas.spaces._layerwise import LayerwiseSpace

#: Chains that are scored, about, before a search: those that ranks are counted among, and that
#: later rounds choose from. A supernet takes a good part of a second for one.
SCORED = 500
#: Deviation of ranks that are evenly spread from 0 to 1.
_DEVIATION = 12**-0.5


class ChainScores:
    """Ranks by each proxy among ``sample``, int (n, layers), random chains; a ``with`` statement.

    They are read from tables where the space can be listed (``listed``), else asked for on demand.
    """

    def __init__(
        self, space: LayerwiseSpace, sample: np.ndarray, inputs: Inputs, work: Work
    ) -> None:
        self.sample, self._asked = sample, None
        self._minimised: Callable[[np.ndarray], np.ndarray]
        if inputs.members:
            _, table = member_tables(space, inputs)
            self._minimised = lambda genes: table[space.index_of(genes)]
        else:
            self._asked = CombinedScorer(space, inputs, work)
            self._minimised = self._asked.minimised

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._asked is not None:
            self._asked.__exit__(*error)

    @property
    def listed(self) -> bool:
        """Whether all scores are there already."""
        return self._asked is None

    @cached_property
    def _of_sample(self) -> np.ndarray:
        return self._minimised(self.sample)

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """Return the features, float64 (N, proxies), of genes (N, layers), of deviation about 1."""
        by_each = zip(self._minimised(genes).T, self._of_sample.T, strict=True)
        ranks = [ranks_among(values, sample) for values, sample in by_each]
        return (np.stack(ranks, axis=1) - 0.5) / _DEVIATION
