"""Fuse proxies of any kind into the mean of their ranks, which need no common unit.

Known as Borda's count (J.-C. de Borda, "Memoire sur les elections au scrutin", 1781).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.settings import Positive
from hanas.proxies._proxy import CombinedProxy, Inputs, Work, member_tables
from hanas.spaces._space import Space


class Fused(CombinedProxy):
    """The score is the mean relative rank: 0 is best by all, 1 worst."""

    kind: Literal["fused"] = Field(description="The mean rank by several proxies.")
    weights: list[Positive] | None = Field(
        None,
        description="How much the rank by each counts, in the order of proxies; equally where "
        "absent.",
    )
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
        weights = np.array(self.weights or [1] * len(self.proxies), dtype=np.float64)
        score = np.zeros(count)
        # One after the other, so that equal ranks give equal scores. A matrix product would sum the
        # last rows in another order than the others.
        for of_one, weight in zip(ranks.T, weights / weights.sum(), strict=True):
            score += of_one * weight
        return {"score": score, "source": self.in_words(self.proxies)}
