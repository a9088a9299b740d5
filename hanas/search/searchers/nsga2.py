"""NSGA-II: survival by rank of non-domination, then by crowding distance.

K. Deb, A. Pratap, S. Agarwal and T. Meyarivan, "A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6, 2002.
"""

from __future__ import annotations

from typing import Literal

from numpy.random import Generator
from pydantic import Field

from hanas.search.searchers._evolutionary import EvolutionarySearcher, Selection
from hanas.search.searchers._searcher import Ledger


class NSGA2(EvolutionarySearcher):
    """A Pareto front; what every evaluation found, not only the last population."""

    searcher: Literal["nsga2"] = Field(
        description="Pareto front, by rank of non-domination and crowding distance."
    )

    def selection(self, ledger: Ledger, rng: Generator) -> Selection:
        """Return survival by rank and crowding distance."""
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

        return Selection(RankAndCrowding(), lambda objectives: objectives)
