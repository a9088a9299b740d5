"""The rank panel of every proxy on every task, as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.ranking import rank_panel, size_panel
from hanas.fronts.floor import reaches

COUNTS = (10, 50, 100)


def ranking_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return how well each proxy ranks; see :func:`hanas.core.ranking.rank_panel`.

    Parameters
    ----------
    rows
        A proxy of a task each: ``task``, ``dataset``, ``proxy``, ``trained_on`` (the data set of
        its supernet, or ""), ``proxy_objective``, ``trained_architectures`` (the price of a
        learned proxy), ``accuracy_floor_percent`` and the files ``accuracies``, ``proxy_table``
        and ``space_table``, whose ``params`` are the size of an architecture.

    Returns
    -------
    DataFrame
        Two rows a proxy: over ``all`` cells and over those ``above the floor`` (one where there
        is no floor), with ``architectures``, ``accuracy_floor_percent``, the panel (the regret as
        ``regret_percentage_points``), :func:`hanas.core.ranking.size_panel` over about
        quarters of the row's architectures by number of parameters, and sources.
    """
    lines = []
    for row in rows:
        accuracies = read_parquet(row["accuracies"])
        proxy = read_parquet(row["proxy_table"])
        joined = accuracies.merge(proxy, on="arch", validate="1:1", suffixes=("", "_proxy"))
        if len(joined) < len(proxy):
            raise InputError(
                f"{row['accuracies']}: {len(proxy) - len(joined)} architectures that "
                f"{row['proxy_table']} scores have no accuracy"
            )
        error = 1 - joined["accuracy_percent"].to_numpy() / 100
        score = joined[row["proxy_objective"]].to_numpy(dtype=float)
        size = read_parquet(row["space_table"]).set_index("arch")["params"].loc[joined["arch"]]
        size = size.to_numpy(dtype=float)
        floor = row["accuracy_floor_percent"]
        worthy = reaches(error, floor / 100)
        for cells in ("all", "above the floor") if floor > 0 else ("all",):
            kept = worthy if cells == "above the floor" else slice(None)
            try:
                panel = rank_panel(score[kept], error[kept], counts=COUNTS)
                panel |= size_panel(score[kept], error[kept], size[kept])
            except InputError as problem:
                raise InputError(f"task {row['task']}, proxy {row['proxy']}: {problem}") from None
            lines.append(
                {
                    "task": row["task"],
                    "dataset": row["dataset"],
                    "proxy": row["proxy"],
                    "proxy_objective": row["proxy_objective"],
                    "trained_on": row["trained_on"],
                    "trained_architectures": row["trained_architectures"],
                    "cells": cells,
                    "accuracy_floor_percent": floor,
                    "architectures": len(error[kept]),
                    **{name: value for name, value in panel.items() if name != "regret"},
                    "regret_percentage_points": panel["regret"] * 100,
                    "accuracy_source": accuracies["source"].iloc[0],
                    "proxy_source": proxy["source"].iloc[0],
                }
            )
    return pd.DataFrame(lines)
