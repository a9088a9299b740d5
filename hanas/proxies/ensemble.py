"""Average what several proxies of one kind say, such as supernets of different seeds.

Unlike ranks, errors and cross-entropies keep their unit, and a supernet that tells two cells apart
clearly weighs more than one that barely does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hanas.core.errors import InputError
from hanas.core.settings import NoRerun
from hanas.proxies._proxy import SCORES, CombinedProxy, Inputs, Work, member_tables
from hanas.spaces._space import Space


class Ensemble(CombinedProxy):
    """The mean of each column of scores that all tables have."""

    kind: Literal["ensemble"] = Field(
        description="The mean of what proxies of one kind say, such as supernets of different "
        "seeds."
    )
    objective: Annotated[
        Literal["error", "cross_entropy", "centred_cross_entropy", "score"], NoRerun()
    ] = Field(
        "error",
        description="Which column a search minimises, one that all the proxies have. All that they "
        "share are kept.",
    )

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
        said = f"mean of {len(tables)} proxies ({named}): {'; '.join(sources)}"
        return {**means, "source": said}
