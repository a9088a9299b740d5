"""Constrained evolution: the lowest error within limits on every hardware metric."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field

from hanas.search.searchers._evolutionary import SamplingSearcher, Selection
from hanas.search.searchers._searcher import Ledger, feasible_rows


class CEA(SamplingSearcher):
    """The lowest objective 0, the error, with every other objective under a limit.

    That, which is allowed, is its ``percentile`` over the feasible samples. What is over a limit
    ranks behind all within, by how far it is over in all, in standard deviations of the samples: it
    can be a parent only while there are too few others. The score is the error, infinite for what
    is over a limit or infeasible.
    """

    searcher: Literal["cea"] = Field(
        description="Lowest error within a limit on each hardware metric."
    )
    percentile: Annotated[float, Field(ge=0, le=100)] = Field(
        60, description="Percentile of the samples that each hardware metric must stay below."
    )

    def selection(self, ledger: Ledger, rng: Generator) -> Selection:
        """Return survival by the error, of those within the limits first."""
        from pymoo.algorithms.soo.nonconvex.ga import FitnessSurvival

        sampled, deviation = self.sampled(ledger, rng)
        limits = np.percentile(sampled[:, 1:], self.percentile, axis=0)

        def violation(objectives: np.ndarray) -> np.ndarray:
            return (np.maximum(objectives[:, 1:] - limits, 0) / deviation[1:]).sum(axis=1)

        def score(objectives: np.ndarray) -> np.ndarray:
            allowed = feasible_rows(objectives) & (objectives[:, 1:] <= limits).all(axis=1)
            return np.where(allowed, objectives[:, 0], np.inf)

        return Selection(FitnessSurvival(), lambda each: each[:, :1], violation, score)
