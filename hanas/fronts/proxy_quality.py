"""The rank panel of every proxy on every task, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from hanas.core.errors import InputError
from hanas.core.files import read_parquet
from hanas.core.ranking import rank_panel, size_panel
from hanas.fronts.truth import reaches

COUNTS = (10, 50, 100)


@dataclass(frozen=True)
class RankedProxy:
    """A proxy of a task: names and price as in :class:`hanas.fronts.rows.Row`, and its files."""

    task: str
    dataset: str
    proxy: str
    proxy_objective: str
    trained_on: str
    trained_architectures: int
    accuracy_floor_percent: float
    accuracies: str
    proxy_table: str
    space_table: str  # whose params are the size of an architecture


def ranking_table(proxies: Sequence[RankedProxy]) -> pd.DataFrame:
    """Return how well each proxy ranks, in two rows a proxy.

    One over ``all`` cells and, where there is a floor, one over those ``above the floor``, with
    ``architectures``, :func:`hanas.core.ranking.rank_panel` (the regret as
    ``regret_percentage_points``), :func:`hanas.core.ranking.size_panel` over about quarters of the
    row's architectures by number of parameters, and sources.
    """
    names = ("task", "dataset", "proxy", "proxy_objective", "trained_on", "trained_architectures")
    lines = []
    for row in proxies:
        accuracies, proxy = read_parquet(row.accuracies), read_parquet(row.proxy_table)
        joined = accuracies.merge(proxy, on="arch", validate="1:1", suffixes=("", "_proxy"))
        if len(joined) < len(proxy):
            raise InputError(
                f"{row.accuracies}: {len(proxy) - len(joined)} architectures that "
                f"{row.proxy_table} scores have no accuracy"
            )
        error = 1 - joined["accuracy_percent"].to_numpy() / 100
        score = joined[row.proxy_objective].to_numpy(dtype=float)
        size = read_parquet(row.space_table).set_index("arch")["params"].loc[joined["arch"]]
        size, floor = size.to_numpy(dtype=float), row.accuracy_floor_percent
        scopes = {"all": reaches(error, 0), "above the floor": reaches(error, floor / 100)}
        for cells, kept in list(scopes.items())[: 2 if floor > 0 else 1]:
            try:
                panel = rank_panel(score[kept], error[kept], counts=COUNTS)
                panel |= size_panel(score[kept], error[kept], size[kept])
            except InputError as problem:
                raise InputError(f"task {row.task}, proxy {row.proxy}: {problem}") from None
            regret = panel.pop("regret")
            line = {name: getattr(row, name) for name in names} | {"cells": cells}
            line |= {"accuracy_floor_percent": floor, "architectures": len(error[kept]), **panel}
            line["regret_percentage_points"] = regret * 100
            line["accuracy_source"] = accuracies["source"].iloc[0]
            line["proxy_source"] = proxy["source"].iloc[0]
            lines.append(line)
    return pd.DataFrame(lines)
