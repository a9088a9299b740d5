"""Read the tables of the proxies that another proxy is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from hanas.core import plugins
from hanas.core.errors import InputError
from hanas.core.files import read_parquet


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


def read(space: str, settings: Mapping[str, Any], tables: Sequence[str | Path]) -> Members:
    """Read the members of a proxy.

    Parameters
    ----------
    space
        Name of the space.
    settings
        ``members``: for each its ``proxy``, a name, and ``objective``, a column.
    tables
        The file of each.

    Raises
    ------
    InputError
        If a table lacks its column or holds other architectures than the space.
    """
    archs = plugins.enumerable_space(space, "a proxy made of others").all_texts()
    frames = []
    for member, path in zip(settings["members"], tables, strict=True):
        frame = read_parquet(path)
        if member["objective"] not in frame:
            raise InputError(f"{path}: the proxy table has no column {member['objective']!r}")
        if tuple(frame["arch"]) != archs:
            raise InputError(f"{path}: not the architectures of {space} in their order")
        frames.append(frame)
    names = tuple(member["proxy"] for member in settings["members"])
    objectives = tuple(member["objective"] for member in settings["members"])
    return Members(names, objectives, tuple(frames), archs)
