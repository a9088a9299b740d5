"""What a searcher is: settings, and a search that leaves every evaluation behind."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from hanas.core.pareto import non_dominated
from hanas.core.settings import Count, NoRerun, Settings

#: int64 (N, G) -> objectives, float64 (N, M), minimised; a row with a NaN is infeasible.
Evaluate = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class History:
    """Every evaluation of one search, in the order in which they were made.

    No architecture occurs twice, so the length is the number of *unique* evaluations, the number
    at which searchers are compared.
    """

    genes: np.ndarray  # int64 (N, G), all rows different
    objectives: np.ndarray  # float64 (N, M), minimised; a row with a NaN is infeasible
    #: int64 (N,): 0 for the first population, then 1, 2, ...; -1 for samples drawn before it.
    generation: np.ndarray
    #: float64 (N,): the one number a scalarising searcher minimised, infinite where it ruled an
    #: architecture out; NaN throughout for a searcher that compares by dominance.
    score: np.ndarray

    def __post_init__(self) -> None:
        lengths = {len(self.genes), len(self.objectives), len(self.generation), len(self.score)}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        """Return the number of evaluations."""
        return len(self.genes)

    @property
    def feasible(self) -> np.ndarray:
        """Which evaluations have every objective; bool (N,)."""
        return feasible_rows(self.objectives)

    @property
    def front(self) -> np.ndarray:
        """The rows, int64 (F,), of the feasible evaluations that no other one dominates."""
        rows = np.flatnonzero(self.feasible)
        return rows[non_dominated(self.objectives[rows])]


class Searcher(Settings):
    """How fronts are searched: an entry of ``searches``, with a ``searcher`` of its own."""

    searcher: Any  # of each class a Literal with its name
    label: Annotated[str | None, NoRerun()] = Field(None, description="Name in tables.")
    seeds: Count = Field(15, description="Number of independent runs, seeded 0, 1, ...")

    @abstractmethod
    def search(
        self, choices: Sequence[int], evaluate: Evaluate, rng: np.random.Generator
    ) -> History:
        """Search a space whose genes have so many ``choices``; ``rng`` is all randomness.

        Raises
        ------
        InputError
            If ``evaluate`` breaks its contract, or a searcher that scales objectives by samples
            finds none of them feasible.
        """


def feasible_rows(objectives: np.ndarray) -> np.ndarray:
    """Return which rows of objectives (N, M) have no NaN; bool (N,).

    >>> feasible_rows(np.array([[0.1, 2.0], [0.1, np.nan]]))
    array([ True, False])
    """
    return np.logical_not(np.isnan(objectives).any(axis=1))
