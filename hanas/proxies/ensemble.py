"""Average what several proxies of one kind say, such as supernets of different seeds.

Unlike ranks, errors and cross-entropies keep their unit, and a supernet that tells two cells apart
clearly weighs more than one that barely does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.settings import NoRerun
from hanas.proxies._proxy import (
    SCORES,
    CombinedProxy,
    CombinedScorer,
    Inputs,
    OnDemandScorer,
    SupernetScore,
    Work,
    member_tables,
)
from hanas.spaces._space import Space


class Ensemble(CombinedProxy):
    """The mean of each column of scores that all tables have."""

    kind: Literal["ensemble"] = Field(
        description="The mean of what proxies of one kind say, such as supernets of different "
        "seeds."
    )
    objective: Annotated[Literal[SupernetScore, "score"], NoRerun()] = Field(
        "error",
        description="Which column a search minimises, one that all the proxies have. All that they "
        "share are kept.",
    )
    on_demand: ClassVar[bool] = True

    def columns_of(self, members: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """Return the scores that all members have."""
        return tuple(name for name in SCORES if all(name in given for given in members))

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by."""
        return f"mean {self.objective} of {', '.join(names)}"

    def scores(self, space: Space, inputs: Inputs, work: Work) -> dict[str, Any]:
        """Return the means; InputError if the tables have no column in common."""
        tables, _ = member_tables(space, inputs)
        named = ", ".join(self.proxies)
        shared = self.columns_of([list(table) for table in tables])
        if not shared:
            raise InputError(f"{named}: their tables have no column in common")
        means = {name: np.mean([table[name] for table in tables], axis=0) for name in shared}
        sources = dict.fromkeys(str(table["source"].iloc[0]) for table in tables)
        return {**means, "source": self.said(sources)}

    def said(self, sources: Iterable[str]) -> str:
        """Return where the means are from, of where the proxies' scores are from."""
        named = ", ".join(self.proxies)
        return f"mean of {len(self.proxies)} proxies ({named}): {'; '.join(sources)}"

    def on_demand_scorer(self, space: Space, inputs: Inputs, work: Work) -> OnDemandScorer:
        """Return what scores architectures of any space; see :class:`hanas.proxies._proxy.Proxy`.

        Raises InputError if the proxies have no column in common.
        """
        return EnsembleScorer(self, space, inputs, work)


class EnsembleScorer(CombinedScorer):
    """Means of what all parts say."""

    def __init__(self, proxy: Ensemble, space: Space, inputs: Inputs, work: Work) -> None:
        super().__init__(space, inputs, work)
        self._proxy = proxy
        self.columns = proxy.columns_of([scorer.columns for scorer in self.scorers])
        if not self.columns:
            raise InputError(f"{', '.join(proxy.proxies)}: they have no column in common")

    def score(self, genes: np.ndarray) -> dict[str, np.ndarray]:
        """Return the means, float64 (N,) each, of genes (N, G)."""
        found = self.by_each(genes)
        return {name: np.mean([of[name] for of in found], axis=0) for name in self.columns}

    def source(self, objective: str) -> str:
        """Return where a column is from."""
        return self._proxy.said(dict.fromkeys(one.source(objective) for one in self.scorers))
