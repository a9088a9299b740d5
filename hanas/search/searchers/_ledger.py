"""The ledger of a search: draws what is new, evaluates it once, and remembers everything."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from hanas.core.errors import InputError
from hanas.search.searchers._searcher import Evaluate, History


class Ledger:
    """Everything evaluated so far, in a space of so many ``choices`` of each gene."""

    def __init__(self, choices: Sequence[int], evaluate: Evaluate) -> None:
        self.choices = np.asarray(choices)
        if self.choices.ndim != 1 or not len(self.choices) or self.choices.min() < 1:
            raise InputError(f"choices: {choices}; expected one count of 1 or more for each gene")
        self.choices = self.choices.astype(np.int64)
        self._size = math.prod(self.choices.tolist())  # a Python int: it may exceed 64 bits
        self._evaluate = evaluate
        self._seen: set[bytes] = set()
        self._genes: list[np.ndarray] = []
        self._objectives: list[np.ndarray] = []
        self._generations: list[np.ndarray] = []

    def is_new(self, genes: np.ndarray) -> bool:
        """Return whether one architecture, int64 (G,), was not evaluated yet."""
        return genes.tobytes() not in self._seen

    def draw(
        self, count: int, rng: np.random.Generator, *, besides: Collection[bytes] = ()
    ) -> np.ndarray:
        """Draw ``count`` new architectures, int64 (K, G), uniformly, without evaluating them.

        Fewer are drawn where fewer are left. ``besides`` are ``genes.tobytes()`` of further ones
        that must not be drawn.
        """
        taken = self._seen.union(besides)
        count = min(count, self._size - len(taken))
        drawn: list[np.ndarray] = []
        if 2 * (len(taken) + count) > self._size:
            # Guessing would seldom hit what is left, and the space is small enough to list.
            left = [row for row in self._all_genes() if row.tobytes() not in taken]
            picks = rng.choice(len(left), size=count, replace=False) if count else []
            drawn = [left[pick] for pick in picks]
        while len(drawn) < count:
            for row in rng.integers(self.choices, size=(count - len(drawn), len(self.choices))):
                if row.tobytes() not in taken:
                    taken.add(row.tobytes())
                    drawn.append(row)
        return np.array(drawn, dtype=np.int64).reshape(-1, len(self.choices))

    def evaluate(self, genes: np.ndarray, generation: int) -> np.ndarray:
        """Evaluate new architectures, int64 (N, G), and return float64 (N, M).

        Raises
        ------
        InputError
            If what comes back is not one row of numbers an architecture, always of the same
            number of objectives, or a value is infinite.
        """
        objectives = np.asarray(self._evaluate(genes.copy()), dtype=np.float64)
        if objectives.ndim != 2 or len(objectives) != len(genes) or not objectives.shape[1]:
            raise InputError(
                f"evaluate: {objectives.shape} for {len(genes)} architectures; expected a row each"
            )
        if self._objectives and objectives.shape[1] != self._objectives[0].shape[1]:
            raise InputError(
                f"evaluate: {objectives.shape[1]} objectives after "
                f"{self._objectives[0].shape[1]}; expected as many every time"
            )
        infinite = np.argwhere(np.isinf(objectives))
        if len(infinite):
            row, column = infinite[0]
            raise InputError(
                f"evaluate: objective {column} of {genes[row].tolist()} is infinite; "
                "expected a number, or NaN for an infeasible architecture"
            )
        self._seen.update(row.tobytes() for row in genes)
        self._genes.append(genes)
        self._objectives.append(objectives)
        self._generations.append(np.full(len(genes), generation, dtype=np.int64))
        return objectives

    def history(self, score: Callable[[np.ndarray], np.ndarray] | None = None) -> History:
        """Return all evaluations; ``score`` maps objectives (N, M) to what was minimised (N,)."""
        objectives = np.concatenate(self._objectives)
        return History(
            genes=np.concatenate(self._genes),
            objectives=objectives,
            generation=np.concatenate(self._generations),
            score=np.full(len(objectives), np.nan) if score is None else score(objectives),
        )

    def _all_genes(self) -> np.ndarray:
        weights = np.append(np.cumprod(self.choices[:0:-1])[::-1], 1).astype(np.int64)
        return np.arange(self._size)[:, None] // weights % self.choices
