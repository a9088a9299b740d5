"""Random search: uniform, without repetition. What every searcher has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from numpy.random import Generator
from pydantic import Field

from hanas.core.settings import Count
from hanas.search.searchers._searcher import Evaluate, History, Ledger, Searcher


class Random(Searcher):
    """Uniform without repetition."""

    searcher: Literal["random"] = Field(description="Uniform without repetition.")
    evaluations: Count = Field(1050, description="Architectures drawn.")

    def search(self, choices: Sequence[int], evaluate: Evaluate, rng: Generator) -> History:
        """Search a space; see :class:`~hanas.search.searchers._searcher.Searcher`."""
        ledger = Ledger(choices, evaluate)
        ledger.evaluate(ledger.draw(self.evaluations, rng), generation=0)
        return ledger.history()
