"""Read the tables of the proxies that another proxy is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.proxies._proxy import MemberTable

if TYPE_CHECKING:
    from hanas.spaces._space import Space


@dataclass(frozen=True)
class Members:
    """Proxies of one space, in the order of the settings.

    Attributes
    ----------
    names
        Their names.
    objectives
        For each the column that a search would minimise.
    tables
        For each its table, in index order.
    archs
        Canonical texts of the space in index order.
    """

    names: tuple[str, ...]
    objectives: tuple[str, ...]
    tables: tuple[pd.DataFrame, ...]
    archs: tuple[str, ...]

    def scores(self) -> np.ndarray:
        """Return what a search would minimise, float64 (N, proxies)."""
        columns = [
            table[objective].to_numpy(dtype=np.float64)
            for table, objective in zip(self.tables, self.objectives, strict=True)
        ]
        return np.stack(columns, axis=1)

    def relative_ranks(self) -> np.ndarray:
        """Return ranks from 0 (best) to 1, float64 (N, proxies); ties share the mean of theirs."""
        scores = self.scores()
        return (rankdata(scores, axis=0) - 1) / max(len(scores) - 1, 1)


def read(space: Space, members: Sequence[MemberTable]) -> Members:
    """Read the members of a proxy of a space whose architectures can be listed.

    Raises
    ------
    InputError
        If a table lacks its column or holds other architectures than the space.
    """
    archs = plugins.enumerable_space(space.name, "a proxy made of others").all_texts()
    frames = []
    for member in members:
        frame = read_parquet(member.file)
        if member.objective not in frame:
            raise InputError(f"{member.file}: the proxy table has no column {member.objective!r}")
        if tuple(frame["arch"]) != archs:
            raise InputError(f"{member.file}: not the architectures of {space.name} in their order")
        frames.append(frame)
    return Members(
        tuple(member.name for member in members),
        tuple(member.objective for member in members),
        tuple(frames),
        archs,
    )
