"""Survival with quotas: a share of the population for each range of a hardware metric.

A proxy that underrates large networks fills a population with small ones, from which the search
does not come back (the *small-model trap* of weight-sharing supernets). With quotas the ranges,
of equally many architectures in the first random population, keep their places each; what cannot
be shared evenly goes to the large ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pymoo.core.population import Population
from pymoo.core.survival import Survival
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding


class QuotaSurvival(Survival):
    """Rank and crowding distance within each bin of the second objective.

    Parameters
    ----------
    bins
        Number of bins. Their limits are the quantiles of the population that is seen first, an
        architecture at a limit being in the lower bin; fewer where the metric has few values. A
        search without metrics has one bin.
    """

    def __init__(self, bins: int) -> None:
        super().__init__(filter_infeasible=True)
        self.bins = bins
        self.limits: np.ndarray | None = None
        self.within = RankAndCrowding()

    def _do(
        self,
        problem: Any,
        pop: Any,
        *args: Any,
        n_survive: int | None = None,
        random_state: Any = None,
        **kwargs: Any,
    ) -> Population:
        objectives = np.asarray(pop.get("F"))
        metric = objectives[:, 1] if objectives.shape[1] > 1 else np.zeros(len(pop))
        if self.limits is None:
            quantiles = np.linspace(0, 1, self.bins + 1)[1:-1]
            limits = np.unique(np.quantile(metric, quantiles))
            self.limits = limits[limits < metric.max()]  # above the others there is none
        bin_of = np.searchsorted(self.limits, metric, side="left")
        members = [np.flatnonzero(bin_of == number) for number in range(len(self.limits) + 1)]
        places = shares([len(rows) for rows in members], n_survive or len(pop))
        chosen = [
            self.within.do(problem, pop[rows], n_survive=count, random_state=random_state)
            for rows, count in zip(members, places, strict=True)
            if count
        ]
        return Population.merge(*chosen) if len(chosen) > 1 else chosen[0]


def shares(sizes: list[int], places: int) -> list[int]:
    """Return how many places each bin gets: alike, as far as it has members to fill them.

    Places that cannot be shared evenly go to the last bins that have room.

    >>> shares([10, 10, 10], 8), shares([1, 10, 10], 8), shares([2, 2], 9)
    ([2, 3, 3], [1, 3, 4], [2, 2])
    """
    taken = [0] * len(sizes)
    for _ in range(min(places, sum(sizes))):
        room = [number for number, size in enumerate(sizes) if taken[number] < size]
        taken[min(room, key=lambda number: (taken[number], -number))] += 1
    return taken
