"""The truth about a whole space on one device, and what a set of architectures is worth in it.

:mod:`hanas.fronts.error_budget` and :mod:`hanas.fronts.hypervolume` define the measure; here the
true front is found and scaled once, so that thousands of fronts can be judged against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hanas.errors import InputError
from hanas.fronts import error_budget
from hanas.fronts.hypervolume import hypervolume, normalised_hypervolume, to_unit_box


@dataclass(frozen=True)
class Truth:
    """True error and hardware metrics of every architecture that the device can run.

    Attributes
    ----------
    archs
        Canonical texts, N of them; the other attributes have a row each.
    objectives
        float64 (N, 1 + metrics), minimised: the true error, a fraction, then the metrics.
    metrics
        Names of the metrics.
    scaled
        ``objectives`` in the units of the true front: 0 its ideal, 1 its nadir.
    reaches_floor
        bool (N,): whether the true accuracy is at least the floor.
    front
        float64 (K, 1 + metrics): the true front of the architectures that reach the floor, its
        points all different.
    front_volume
        Hypervolume of the true front in its units.
    accuracy_floor
        A fraction.
    accuracy_source, metrics_source
        Where the numbers come from.
    """

    archs: pd.Index
    objectives: np.ndarray
    metrics: tuple[str, ...]
    scaled: np.ndarray
    reaches_floor: np.ndarray
    front: np.ndarray
    front_volume: float
    accuracy_floor: float
    accuracy_source: str
    metrics_source: str

    @property
    def name(self) -> str:
        """The objectives in words, such as ``error+latency_ms``."""
        return "+".join(["error", *self.metrics])

    def rows_of(self, archs: Iterable[str]) -> np.ndarray:
        """Return the row, int64, of each architecture; -1 where the device cannot run it."""
        return self.archs.get_indexer(pd.Index(list(archs)))

    def worthy(self, rows: np.ndarray) -> np.ndarray:
        """Return those of ``rows`` that can be run and reach the accuracy floor."""
        rows = rows[rows >= 0]
        return rows[self.reaches_floor[rows]]

    def share(self, rows: np.ndarray) -> float:
        """Return the normalised hypervolume, 0 to 1, of the architectures in ``rows``."""
        inside = np.maximum(self.scaled[self.worthy(rows)], 0)
        # Rounded, so that equal fronts do not differ by the order in which they were summed.
        return round(hypervolume(inside, np.ones(inside.shape[1])) / self.front_volume, 12)


def truth_of_tables(
    accuracies: pd.DataFrame,
    metrics_table: pd.DataFrame,
    *,
    metrics: Sequence[str],
    accuracy_floor_percent: float,
    name: str,
) -> Truth:
    """Join an accuracy table and a device table.

    Parameters
    ----------
    accuracies
        Accuracy table: ``arch``, ``accuracy_percent``, ``source``.
    metrics_table
        Device table: ``arch``, ``feasible``, metrics, ``source``.
    metrics
        The metrics that are objectives.
    accuracy_floor_percent
        Architectures below it neither make the true front nor count in another.
    name
        What is judged, for messages.

    Raises
    ------
    InputError
        If an architecture of the device table has no accuracy, none reaches the floor, or the
        true front is too small to compare anything with.
    """
    feasible = metrics_table[metrics_table["feasible"].to_numpy(dtype=bool)].set_index("arch")
    reindexed = accuracies.set_index("arch")["accuracy_percent"].reindex(feasible.index)
    accuracy = np.asarray(reindexed, dtype=np.float64)
    missing = np.flatnonzero(np.isnan(accuracy))
    if len(missing):
        first = feasible.index[missing[0]]
        raise InputError(f"{name}: {len(missing)} without accuracy, first: {first}")
    objectives = np.column_stack(
        [1 - accuracy / 100, np.asarray(feasible[list(metrics)], dtype=np.float64)]
    )
    floor = accuracy_floor_percent / 100
    try:
        # Equal architectures are one point: none of them weighs more in IGD+.
        front = np.unique(error_budget.true_front(objectives, accuracy_floor=floor), axis=0)
        normalised_hypervolume(front, front)  # refuses a front that nothing compares with
        scaled = to_unit_box(objectives, front)
    except InputError as error:
        raise InputError(
            f"{name}: {error} (tasks.*.accuracy_floor_percent is {accuracy_floor_percent:g})"
        ) from error
    return Truth(
        archs=feasible.index,
        objectives=objectives,
        metrics=tuple(metrics),
        scaled=scaled,
        reaches_floor=objectives[:, 0] <= 1 - floor + error_budget.FLOOR_TOLERANCE,
        front=front,
        front_volume=hypervolume(to_unit_box(front, front), np.ones(front.shape[1])),
        accuracy_floor=floor,
        accuracy_source=str(accuracies["source"].iloc[0]),
        metrics_source=str(metrics_table["source"].iloc[0]),
    )
