"""Fuse proxies of any kind into the mean of their ranks.

Ranks need no common unit. Known as Borda's count (J.-C. de Borda, "Memoire sur les elections au
scrutin", 1781).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hanas.proxies import _members
from hanas.proxies._scores import mean_rank_of


def score(
    *, space: str, settings: Mapping[str, Any], tables: Sequence[str | Path], **unused: Any
) -> pd.DataFrame:
    """Return ``arch``, ``score`` (the mean relative rank: 0 is best by all, 1 worst), ``source``.

    Parameters
    ----------
    space
        Name of the space.
    settings
        ``members``, see :func:`hanas.proxies._members.read`; ``weights``: how much the rank of
        each counts, equally where absent.
    tables
        The proxy table of each member.
    **unused
        What other proxies read.
    """
    del unused
    members = _members.read(space, settings, tables)
    weights = np.array(settings.get("weights", [1] * len(members.names)), dtype=np.float64)
    score = np.zeros(len(members.archs))
    # One after the other, so that equal ranks give equal scores. A matrix product would sum the
    # last rows in another order than the others.
    for ranks, weight in zip(members.relative_ranks().T, weights / weights.sum(), strict=True):
        score += ranks * weight
    return pd.DataFrame(
        {
            "arch": list(members.archs),
            "score": score,
            "source": mean_rank_of(members.names, weights.tolist()),
        }
    )
