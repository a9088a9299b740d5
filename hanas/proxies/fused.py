"""Fuse proxies of any kind into the mean of their ranks.

Ranks need no common unit. Known as Borda's count (J.-C. de Borda, "Memoire sur les elections au
scrutin", 1781).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from hanas.core.errors import InputError
from hanas.core.progress import Log
from hanas.core.settings import Positive
from hanas.proxies._proxy import CombinedProxy, Inputs
from hanas.spaces._space import Space

if TYPE_CHECKING:
    import pandas as pd


class Fused(CombinedProxy):
    """The score is the mean relative rank: 0 is best by all, 1 worst."""

    kind: Literal["fused"] = Field(description="The mean rank by several proxies.")
    weights: list[Positive] | None = Field(
        None,
        description="How much the rank by each counts, in the order of proxies; equally where "
        "absent.",
    )
    objective: ClassVar[str] = "score"  # pyright: ignore[reportIncompatibleVariableOverride]

    @model_validator(mode="after")
    def _has_a_weight_each(self) -> Fused:
        if self.weights is not None and len(self.weights) != len(self.proxies):
            raise InputError(
                f"weights: {len(self.weights)} given; expected one for each of the "
                f"{len(self.proxies)} proxies"
            )
        return self

    def in_words(self, names: Sequence[str]) -> str:
        """Return what a search ranks by, such as ``mean rank of 3 x first, second``."""
        weights = self.weights or [1] * len(names)
        named = [
            name if weight == 1 else f"{weight:g} x {name}"
            for name, weight in zip(names, weights, strict=True)
        ]
        return f"mean rank of {', '.join(named)}"

    def score(
        self, space: Space, inputs: Inputs, *, workspace: Path, threads: int, log: Log
    ) -> pd.DataFrame:
        """Return ``arch``, ``score`` and ``source``; see :meth:`Proxy.score`."""
        import pandas as pd

        from hanas.proxies._members import read

        members = read(space, inputs.members)
        weights = np.array(self.weights or [1] * len(members.names), dtype=np.float64)
        score = np.zeros(len(members.archs))
        # One after the other, so that equal ranks give equal scores. A matrix product would sum the
        # last rows in another order than the others.
        for ranks, weight in zip(members.relative_ranks().T, weights / weights.sum(), strict=True):
            score += ranks * weight
        return pd.DataFrame(
            {
                "arch": list(members.archs),
                "score": score,
                "source": self.in_words(members.names),
            }
        )
