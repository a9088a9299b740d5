"""NSGA-II: survival by rank of non-domination, then by crowding distance.

K. Deb, A. Pratap, S. Agarwal and T. Meyarivan, "A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6, 2002.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from hanas.search.searchers._evolutionary import EvolutionarySearcher, Selection
from hanas.search.searchers._ledger import Ledger


class NSGA2(EvolutionarySearcher):
    """A Pareto front; what every evaluation found, not only the last population.

    By default 1,050 architectures are evaluated: a random population of 50 (generation 0) and 50
    children in each of 20 generations.
    """

    searcher: Literal["nsga2"] = Field(
        description="Pareto front, by rank of non-domination and crowding distance."
    )

    def selection(self, ledger: Ledger, rng: np.random.Generator) -> Selection:
        """Return survival by rank and crowding distance."""
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

        return Selection(RankAndCrowding(), lambda objectives: objectives)
