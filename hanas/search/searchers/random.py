"""Random search: uniform, without repetition. What every searcher has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from hanas.core.settings import Count
from hanas.search.searchers._ledger import Ledger
from hanas.search.searchers._searcher import Evaluate, History, Searcher


class Random(Searcher):
    """Uniform without repetition.

    By default as many as nsga2 evaluates, fewer where the space has no more; all in generation 0.
    """

    searcher: Literal["random"] = Field(description="Uniform without repetition.")
    evaluations: Count = Field(1050, description="Architectures drawn.")

    def search(
        self, choices: Sequence[int], evaluate: Evaluate, rng: np.random.Generator
    ) -> History:
        """Search a space, see :meth:`hanas.search.searchers._searcher.Searcher.search`."""
        ledger = Ledger(choices, evaluate)
        ledger.evaluate(ledger.draw(self.evaluations, rng), generation=0)
        return ledger.history()
