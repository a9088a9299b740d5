"""The runs of every search on a device, as row numbers of the space, and the fronts they found.

A *found front* is what a search believes in: the architectures among those it evaluated that no
other one dominated in the objectives it minimised, which hold the proxy and not the truth. Of
those that look the same, the first that was evaluated stands for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from hanas.core.files import read_parquet
from hanas.core.pareto import non_dominated
from hanas.fronts.rows import Row, read_history
from hanas.fronts.truth import Truth, truth_of_tables
from hanas.search.run import objectives_of


@dataclass(frozen=True)
class Runs:
    """All seeds of one search of one task with one proxy, seen in one set of objectives."""

    row: Row
    truth: Truth
    searched: np.ndarray  # float64 (N, M), minimised: the proxy, then the metrics of the truth
    #: For each seed, from 0, rows of ``truth``, int64 (E,), in the order of evaluation; -1 for an
    #: architecture that the device cannot run.
    evaluated: list[np.ndarray]
    proxy_source: str
    sampled: int = 0  # first evaluations of a seed, drawn at random before its search began

    def line(self, **columns: Any) -> dict[str, Any]:
        """Return a row of a table: which search, the columns, the floor, where numbers are from."""
        return {
            **self.row.names,
            "objectives": self.truth.name,
            **columns,
            "accuracy_floor_percent": self.truth.accuracy_floor * 100,
            "accuracy_source": self.truth.accuracy_source,
            "metrics_source": self.truth.metrics_source,
            "proxy_source": self.proxy_source,
        }

    def found_front(self, evaluated: np.ndarray) -> np.ndarray:
        """Return those of the rows that can be run and are the front in the searched objectives."""
        rows = evaluated[evaluated >= 0]
        return rows[non_dominated(self.searched[rows], copies=False)]

    def shares_after(self, counts: Sequence[int]) -> np.ndarray:
        """Return the normalised hypervolume in truth, (seeds, N), after each of rising counts.

        It may fall: the proxy can drop an architecture for one that is worse in truth.
        """
        shares = np.empty((len(self.evaluated), len(counts)))
        for seed, evaluated in enumerate(self.evaluated):
            front = evaluated[:0]
            for step, new in enumerate(np.split(evaluated, counts)[:-1]):
                # The front of all so far is that of the last front and what is new.
                front = self.found_front(np.concatenate([front, new]))
                shares[seed, step] = self.truth.share(front)
        return shares


def read_runs(rows: Iterable[Row]) -> Iterator[Runs]:
    """Read searches whose true accuracies are known; each as :func:`runs_of` has it."""
    table = cache(read_parquet)
    truths: dict[tuple[str, ...], Truth] = {}
    for row in rows:
        history = read_history(row.history, row.search)
        accuracies, metrics, proxy = map(table, row.tables)
        yield from runs_of(row, accuracies, metrics, proxy, history, truths)


def runs_of(
    row: Row,
    accuracies: pd.DataFrame,
    metrics: pd.DataFrame,
    proxy: pd.DataFrame,
    history: pd.DataFrame,
    truths: dict[tuple[str, ...], Truth],
) -> Iterator[Runs]:
    """Yield a search in one or two sets of objectives, from its tables and its history.

    The first is the error and the first metric that was searched, so that devices with and without
    energy can be compared; the second, where more metrics were searched, all of them. ``truths``
    keeps what is known of the space for the next search of the same device and task.
    """
    searched, _ = objectives_of(proxy, metrics, row.proxy_objective, row.device_objectives)
    names, seeds = list(searched), history["seed"].to_numpy()
    for count in sorted({1, len(names) - 1}):
        chosen = names[1 : 1 + count]
        key = (row.device, row.task, *chosen)
        if key not in truths:
            name, floor = f"task {row.task} on {row.device}", row.accuracy_floor_percent
            truths[key] = truth_of_tables(
                accuracies, metrics, metrics=chosen, accuracy_floor_percent=floor, name=name
            )
        truth = truths[key]
        found = truth.archs.get_indexer(history["arch"])
        yield Runs(
            row=row,
            truth=truth,
            searched=searched.loc[truth.archs, [names[0], *chosen]].to_numpy(),
            evaluated=[found[seeds == seed] for seed in np.unique(seeds)],
            proxy_source=str(proxy["source"].iloc[0]),
            sampled=int((history["generation"] < 0).groupby(seeds).sum().max()),
        )
