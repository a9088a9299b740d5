"""Weighted-sum evolution: one objective, the mean of all, each brought to the same scale."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.random import Generator
from pydantic import Field

from hanas.search.searchers._evolutionary import SamplingSearcher, Selection
from hanas.search.searchers._searcher import Ledger, feasible_rows


class WSEA(SamplingSearcher):
    """The lowest mean of the objectives, each less its mean over the samples, in deviations.

    The score is what was minimised, infinite for infeasible architectures.
    """

    searcher: Literal["wsea"] = Field(description="Lowest mean of all objectives, normalised.")

    def selection(self, ledger: Ledger, rng: Generator) -> Selection:
        """Return survival by the mean."""
        from pymoo.algorithms.soo.nonconvex.ga import FitnessSurvival

        sampled, deviation = self.sampled(ledger, rng)
        mean = sampled.mean(axis=0)

        def score(objectives: np.ndarray) -> np.ndarray:
            values = ((objectives - mean) / deviation).mean(axis=1)
            return np.where(feasible_rows(objectives), values, np.inf)

        return Selection(FitnessSurvival(), lambda each: score(each)[:, None], score=score)
