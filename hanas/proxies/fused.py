"""Fuse proxies of any kind into the mean of their ranks, which need no common unit.

Known as Borda's count (J.-C. de Borda, "Memoire sur les elections au scrutin", 1781). In spaces too
large to list, ranks are those among random architectures, the same in every search.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Count, Positive, Seed
from hanas.proxies._proxy import CombinedProxy, CombinedScorer, Inputs, Work, member_tables
from hanas.spaces._space import Space


class Fused(CombinedProxy):
    """The score is the mean relative rank: 0 is best by all, 1 worst."""

    kind: Literal["fused"] = Field(description="The mean rank by several proxies.")
    weights: list[Positive] | None = Field(
        None,
        description="How much the rank by each counts, in the order of proxies; equally where "
        "absent.",
    )
    sample: Count = Field(
        300,
        description="Random architectures that ranks are counted among in a space too large to "
        "list; they are scored once.",
    )
    sample_seed: Seed = Field(0, description="Of these architectures.")
    on_demand: ClassVar[bool] = True
    objective: ClassVar[str] = "score"  # pyright: ignore[reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _has_a_weight_each(self) -> Fused:
        if self.weights is not None and len(self.weights) != len(self.proxies):
            expected = f"expected one for each of the {len(self.proxies)} proxies"
            raise InputError(f"weights: {len(self.weights)} given; {expected}")
        return self

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by, such as ``mean rank of 3 x first, second``."""
        weights = self.weights or [1] * len(names)
        named = [
            name if weight == 1 else f"{weight:g} x {name}"
            for name, weight in zip(names, weights, strict=True)
        ]
        return f"mean rank of {', '.join(named)}"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the weighted means of the ranks; ties share the mean of theirs."""
        from scipy.stats import rankdata

        _, scores = member_tables(space, inputs)
        count = len(scores)
        ranks = (rankdata(scores, axis=0) - 1) / max(count - 1, 1)  # (N, proxies), 0 to 1
        return {"score": self.mean(ranks), "source": self.in_words(self.proxies)}

    def mean(self, ranks: np.ndarray) -> np.ndarray:
        """Return the weighted means, float64 (N,), of the ranks by each proxy, (N, proxies)."""
        weights = np.array(self.weights or [1] * len(self.proxies), dtype=np.float64)
        score = np.zeros(len(ranks))
        # One after the other, so that equal ranks give equal scores. A matrix product would sum the
        # last rows in another order than the others.
        for of_one, weight in zip(ranks.T, weights / weights.sum(), strict=True):
            score += of_one * weight
        return score

    def on_demand_scorer(self, space: Space, inputs: Inputs, work: Work) -> FusedScorer:
        """Return what scores architectures of any space; see :meth:`Proxy.on_demand_scorer`."""
        return FusedScorer(self, space, inputs, work)


class FusedScorer(CombinedScorer):
    """Ranks architectures among random ones, which it scores when it is asked first."""

    def __init__(self, proxy: Fused, space: Space, inputs: Inputs, work: Work) -> None:
        super().__init__(space, inputs, work)
        self._proxy, self._space = proxy, space

    @cached_property
    def _sample(self) -> np.ndarray:
        """The scores of the random architectures by each proxy, float64 (K, proxies)."""
        rng = np.random.default_rng(self._proxy.sample_seed)
        return self.minimised(self._space.sample(self._proxy.sample, rng))

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return ``score``, the mean rank, float64 (N,), of genes (N, G)."""
        by_each = self.minimised(genes)
        of_each = zip(by_each.T, self._sample.T, strict=True)
        ranks = np.stack([ranks_among(*columns) for columns in of_each], axis=1)
        return {"score": self._proxy.mean(ranks)}

    def source(self, objective: str) -> str:
        """Return how ranks are fused."""
        words, proxy = self._proxy.in_words(self._proxy.proxies), self._proxy
        among = f"among {len(self._sample)} random architectures (seed {proxy.sample_seed})"
        return f"{words}, {among}"


def ranks_among(values: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Return the relative ranks of values, (N,), among those of a sample, (K,): float64 (N,).

    Those of the sample have the ranks that a table would give them, 0 the lowest and 1 the highest.
    Between two of them ranks rise evenly, and beyond both ends as in the outer tenth there, so that
    a search can tell apart what is better than all of the sample.

    >>> ranks_among(np.array([-1.0, 0.0, 1.5, 2.0, 4.0]), np.array([0.0, 1.0, 2.0]))
    array([-0.5 ,  0.  ,  0.75,  1.  ,  2.  ])
    """
    from scipy.stats import rankdata

    known, first = np.unique(sample, return_index=True)
    if len(known) == 1:
        return 0.5 + 0.5 * np.sign(values - known[0])
    ranks = (rankdata(sample)[first] - 1) / (len(sample) - 1)
    found = np.interp(values, known, ranks)
    few = max(1, len(known) // 10)
    for end, inner, beyond in ((0, few, values < known[0]), (-1, -1 - few, values > known[-1])):
        slope = (ranks[inner] - ranks[end]) / (known[inner] - known[end])
        found[beyond] = ranks[end] + slope * (values[beyond] - known[end])
    return found
