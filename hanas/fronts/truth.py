"""The truth about a whole space on one device, and what a set of architectures is worth in it.

The measure is the normalised hypervolume (:mod:`hanas.fronts.indicators`) of the *true* objectives.
The true front is found and scaled once, so that thousands of fronts can be judged against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from hanas.core.errors import InputError
from hanas.core.pareto import as_points, non_dominated
from hanas.fronts.floor import reaches
from hanas.fronts.indicators import hypervolume, normalised_hypervolume, to_unit_box

#: Orders in which architectures that look the same are met, where a ceiling depends on it.
_ORDERS = 100


@dataclass(frozen=True)
class Truth:
    """True error and hardware metrics of the N architectures that the device can run."""

    archs: pd.Index  # canonical texts
    objectives: np.ndarray  # float64 (N, 1 + metrics), minimised: true error, a fraction; metrics
    metrics: tuple[str, ...]
    scaled: np.ndarray  # objectives in the units of the true front: 0 its ideal, 1 its nadir
    reaches_floor: np.ndarray  # bool (N,): whether the true accuracy is at least the floor
    front: np.ndarray  # float64 (K, 1 + metrics): true front of what reaches it, all different
    front_volume: float  # its hypervolume, in its units
    accuracy_floor: float  # a fraction
    accuracy_source: str
    metrics_source: str

    @property
    def name(self) -> str:
        """The objectives in words, such as ``error+latency_ms``."""
        return "+".join(["error", *self.metrics])

    def rows_of(self, archs: pd.Series | pd.Index | Sequence[str]) -> np.ndarray:
        """Return the row of each architecture; -1 where the device cannot run it."""
        return self.archs.get_indexer(pd.Index(archs))

    def worthy(self, rows: np.ndarray) -> np.ndarray:
        """Return those of ``rows`` that can be run and reach the accuracy floor."""
        rows = rows[rows >= 0]
        return rows[self.reaches_floor[rows]]

    def share(self, rows: np.ndarray) -> float:
        """Return the normalised hypervolume, 0 to 1, of the architectures in ``rows``."""
        inside = np.maximum(self.scaled[self.worthy(rows)], 0)
        # Rounded, so that equal fronts do not differ by the order in which they were summed.
        return round(hypervolume(inside, np.ones(inside.shape[1])) / self.front_volume, 12)

    def ceiling(self, searched: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
        """Return the share of the exact front of what was searched: the proxy's oracle bound.

        Of ``rows``, int (K,), of ``searched``, float (N, M), minimised: the proxy, then the
        metrics. Of architectures that look the same a searcher takes one, whichever it meets
        first: taking all would credit a coarse proxy, to which thousands of cells look equally
        optimal, with a choice that only the truth could make. So this is the mean over 100 orders
        in which they are met, the same in every call, and its deviation.
        """
        front = rows[non_dominated(searched[rows])]
        looks, inverse = np.unique(searched[front], axis=0, return_inverse=True)
        if len(looks) == len(front):
            return self.share(front), 0.0
        rng, shares = np.random.default_rng(0), []
        for _ in range(_ORDERS):
            order = rng.permutation(len(front))
            _, first = np.unique(inverse[order], return_index=True)
            shares.append(self.share(front[order[first]]))
        return float(np.mean(shares)), float(np.std(shares))


def truth_of_tables(
    accuracies: pd.DataFrame,
    metrics_table: pd.DataFrame,
    *,
    metrics: Sequence[str],
    accuracy_floor_percent: float,
    name: str,
) -> Truth:
    """Join an accuracy table and a device table into the truth about ``metrics`` as objectives.

    Architectures below the floor neither make the true front nor count in another. Raises
    InputError, with the ``name`` of what is judged, if an architecture of the device table has no
    accuracy, none reaches the floor, or the true front is too small to compare anything with.
    """
    feasible = metrics_table[metrics_table["feasible"].to_numpy(dtype=bool)].set_index("arch")
    accuracy = accuracies.set_index("arch")["accuracy_percent"].reindex(feasible.index)
    missing = feasible.index[accuracy.isna()]
    if len(missing):
        raise InputError(f"{name}: {len(missing)} without accuracy, first: {missing[0]}")
    objectives = np.column_stack([1 - accuracy / 100, feasible[list(metrics)]]).astype(float)
    floor = accuracy_floor_percent / 100
    try:
        # Equal architectures are one point: none of them weighs more in IGD+.
        front = np.unique(true_front(objectives, accuracy_floor=floor), axis=0)
        normalised_hypervolume(front, front)  # refuses a front that nothing compares with
        scaled = to_unit_box(objectives, front)
    except InputError as error:
        said = f"tasks.*.accuracy_floor_percent is {accuracy_floor_percent:g}"
        raise InputError(f"{name}: {error} ({said})") from error
    return Truth(
        archs=feasible.index,
        objectives=objectives,
        metrics=tuple(metrics),
        scaled=scaled,
        reaches_floor=reaches(objectives[:, 0], floor),
        front=front,
        front_volume=hypervolume(to_unit_box(front, front), np.ones(front.shape[1])),
        accuracy_floor=floor,
        accuracy_source=str(accuracies["source"].iloc[0]),
        metrics_source=str(metrics_table["source"].iloc[0]),
    )


def true_front(true_objectives: ArrayLike, *, accuracy_floor: float = 0.0) -> np.ndarray:
    """Return the front, float64 (K, M), of true objectives, float (N, M), that reach a floor.

    Column 0 is the error, a fraction as is the floor. Raises InputError if none reaches it.
    """
    points = as_points(true_objectives, "true objectives")
    if not 0 <= accuracy_floor <= 1:
        raise InputError(f"accuracy_floor: {accuracy_floor}; expected a fraction, 0 to 1")
    points = points[reaches(points[:, 0], accuracy_floor)]
    if len(points) == 0:
        raise InputError(f"accuracy_floor: no architecture reaches {accuracy_floor:g}; lower it")
    return points[non_dominated(points)]
