"""What a searcher is: settings and a search; and the ledger that keeps every evaluation."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.pareto import non_dominated
from hanas.core.settings import Count, NoRerun, Settings

#: int64 (N, G) -> objectives, float64 (N, M), minimised; a row with a NaN is infeasible.
Evaluate = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class PartlyUsed:
    """An evaluation of genes some of which may not matter, such as those of layers left out.

    ``used`` says of genes (N, G) which do, bool (N, G); ``count`` is the number of architectures.
    A ledger has such genes in one form, 0 where they do not matter.
    """

    evaluate: Evaluate
    used: Callable[[np.ndarray], np.ndarray]
    count: int

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """Return the objectives of genes."""
        return self.evaluate(genes)


@dataclass(frozen=True)
class History:
    """Every evaluation of one search, in the order in which they were made; none is made twice."""

    genes: np.ndarray  # int64 (N, G), all rows different
    objectives: np.ndarray  # float64 (N, M), minimised; a row with a NaN is infeasible
    generation: np.ndarray  # int64 (N,): 0, 1, 2, ...; -1 for samples drawn before the first
    #: float64 (N,): the one number a scalarising searcher minimised, infinite where it ruled an
    #: architecture out; NaN throughout for a searcher that compares by dominance.
    score: np.ndarray

    def __len__(self) -> int:
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


class Ledger:
    """Everything evaluated so far, in a space of so many ``choices`` of each gene."""

    def __init__(self, choices: Sequence[int], evaluate: Evaluate) -> None:
        self.choices = np.asarray(choices, dtype=np.int64)
        if self.choices.ndim != 1 or not len(self.choices) or self.choices.min() < 1:
            raise InputError(f"choices: {choices}; expected one count of 1 or more for each gene")
        partly = isinstance(evaluate, PartlyUsed)
        # A Python int: it may exceed 64 bits.
        self._size = evaluate.count if partly else math.prod(self.choices.tolist())
        self._used = evaluate.used if partly else None
        self._evaluate = evaluate
        self._seen: set[bytes] = set()
        self._evaluated: list[tuple[np.ndarray, ...]] = []  # genes, objectives, generations

    def tidy(self, genes: np.ndarray) -> np.ndarray:
        """Return genes (N, G) in the one form of their architecture."""
        return genes if self._used is None else np.where(self._used(genes), genes, 0)

    def filled(self, genes: np.ndarray, rng: Generator) -> np.ndarray:
        """Return genes (N, G), those that do not matter drawn at random: for children of them."""
        if self._used is None:
            return genes
        return np.where(self._used(genes), genes, rng.integers(self.choices, size=genes.shape))

    def is_new(self, genes: np.ndarray) -> bool:
        """Return whether one architecture, tidy genes int64 (G,), was not evaluated yet."""
        return genes.tobytes() not in self._seen

    def draw(self, count: int, rng: Generator, *, besides: Collection[bytes] = ()) -> np.ndarray:
        """Draw ``count`` new architectures, int64 (K, G), uniformly; fewer where fewer are left.

        ``besides`` are ``genes.tobytes()`` of further ones that must not be drawn.
        """
        taken = self._seen.union(besides)
        count = min(count, self._size - len(taken))
        drawn: list[np.ndarray] = []
        if 2 * (len(taken) + count) > self._size:
            # Guessing would seldom hit what is left, and the space is small enough to list.
            every = np.array(list(itertools.product(*map(range, self.choices))))
            every = every if self._used is None else np.unique(self.tidy(every), axis=0)
            left = [row for row in every if row.tobytes() not in taken]
            picks = rng.choice(len(left), size=count, replace=False) if count else []
            drawn = [left[pick] for pick in picks]
        while len(drawn) < count:
            rows = rng.integers(self.choices, size=(count - len(drawn), len(self.choices)))
            for row in self.tidy(rows):
                if row.tobytes() not in taken:
                    taken.add(row.tobytes())
                    drawn.append(row)
        return np.array(drawn, dtype=np.int64).reshape(-1, len(self.choices))

    def evaluate(self, genes: np.ndarray, generation: int) -> np.ndarray:
        """Evaluate new architectures, int64 (N, G), and return their objectives, float64 (N, M).

        Raises InputError if what comes back is not a row of as many finite numbers, or NaN, each.
        """
        genes = self.tidy(genes)
        objectives = np.asarray(self._evaluate(genes.copy()), dtype=np.float64)
        shape = objectives.shape
        if len(shape) != 2 or shape[0] != len(genes) or not shape[1]:
            said = f"evaluate: {shape} for {len(genes)} architectures"
            raise InputError(f"{said}; expected a row each")
        if self._evaluated and shape[1] != (before := self._evaluated[0][1].shape[1]):
            said = f"evaluate: {shape[1]} objectives after {before}"
            raise InputError(f"{said}; expected as many every time")
        for row, column in np.argwhere(np.isinf(objectives)):
            said = f"evaluate: objective {column} of {genes[row].tolist()} is infinite"
            raise InputError(f"{said}; expected a number, or NaN for an infeasible architecture")
        self._seen.update(row.tobytes() for row in genes)
        self._evaluated.append((genes, objectives, np.full(len(genes), generation)))
        return objectives

    def history(self, score: Callable[[np.ndarray], np.ndarray] | None = None) -> History:
        """Return all evaluations; ``score`` maps objectives (N, M) to what was minimised (N,)."""
        genes, objectives, generation = map(np.concatenate, zip(*self._evaluated, strict=True))
        scores = np.full(len(objectives), np.nan) if score is None else score(objectives)
        return History(genes, objectives, generation, scores)


class Searcher(Settings):
    """How fronts are searched: an entry of ``searches``, with a ``searcher`` of its own."""

    searcher: Any  # of each class a Literal with its name
    label: Annotated[str | None, NoRerun()] = Field(None, description="Name in tables.")
    seeds: Count = Field(15, description="Number of independent runs, seeded 0, 1, ...")

    @abstractmethod
    def search(self, choices: Sequence[int], evaluate: Evaluate, rng: Generator) -> History:
        """Search a space whose genes have so many ``choices``; ``rng`` is all randomness.

        Raises InputError if ``evaluate`` breaks its contract.
        """


def feasible_rows(objectives: np.ndarray) -> np.ndarray:
    """Return which rows of objectives (N, M) have no NaN; bool (N,)."""
    return np.logical_not(np.isnan(objectives).any(axis=1))
