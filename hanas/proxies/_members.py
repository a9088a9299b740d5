"""Read the tables of the proxies that another proxy is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.proxies._proxy import MemberTable
from hanas.spaces._space import Space


@dataclass(frozen=True)
class Members:
    """Proxies of one space, in the order of the settings.

    Attributes
    ----------
    names
        Their names.
    tables
        For each its table, in index order.
    scores
        What a search by each would minimise, float64 (N, proxies).
    archs
        Canonical texts of the space in index order.
    """

    names: tuple[str, ...]
    tables: tuple[pd.DataFrame, ...]
    scores: np.ndarray
    archs: tuple[str, ...]

    def relative_ranks(self) -> np.ndarray:
        """Return ranks from 0 (best) to 1, float64 (N, proxies); ties share the mean of theirs."""
        return (rankdata(self.scores, axis=0) - 1) / max(len(self.scores) - 1, 1)


def read(space: Space, members: Sequence[MemberTable]) -> Members:
    """Read the members of a proxy of a space whose architectures can be listed.

    Raises
    ------
    InputError
        If a table lacks its column or holds other architectures than the space.
    """
    archs = plugins.enumerable_space(space.name, "a proxy made of others").all_texts()
    tables, scores = [], []
    for member in members:
        table = read_parquet(member.file)
        if member.objective not in table:
            raise InputError(f"{member.file}: the proxy table has no column {member.objective!r}")
        if tuple(table["arch"]) != archs:
            raise InputError(f"{member.file}: not the architectures of {space.name} in their order")
        tables.append(table)
        scores.append(table[member.objective].to_numpy(dtype=np.float64))
    names = tuple(member.name for member in members)
    return Members(names, tuple(tables), np.stack(scores, axis=1), archs)
